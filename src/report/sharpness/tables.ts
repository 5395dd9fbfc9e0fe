import { checkNumbers, expectObject, whole } from '../../base/index.js'
import { count, figure, percent, signedFigure } from '../numbers.js'
import { type Column, type Table, table } from '../table.js'
import type { SharpnessRecord, TraceResult } from './record.js'
import { matrixOf, type Series, seriesOf } from './series.js'

/**
 * Makes the tables of a record of sharpness: the traces, the rise of the loss near the weights, the eigenvalues, and the trace by layer.
 *
 * @param record what `sos sharpness --json` printed, parsed
 * @param options what is shown
 * @param options.most the most rows of eigenvalues and of layers. Default: all
 * @returns a table for each of these that the record has
 * @throws `ERR_INVALID_ARGUMENT` for invalid options
 * @example
 * const eigenvalues = [{ value: 2, residual: 0.001, converged: true }]
 * const record = { model: 'a.pt', eigenvalues, withoutGradient: [], dataset: 'x', operator: 'hessian', size: 9, samples: 64, seed: 0 } as const
 * console.log(sharpnessTables({ ...record, eigenvalues, withoutGradient: [] })[0]!.rows) // → [ [ '1', '2', '0.001' ] ]
 */
export function sharpnessTables(record: SharpnessRecord, options: { most?: number } = {}): Table[] {
  expectObject('options', options)
  checkNumbers(options, { most: whole(0) })
  const { most = Number.POSITIVE_INFINITY } = options
  return [
    traceTable(record),
    riseTable(record),
    eigenvalueTable(record, most),
    layerTable(record, most),
  ].filter((one) => one !== null)
}

type Errors = Pick<TraceResult, 'value' | 'standardError' | 'probeStandardError'>

interface TraceRow extends Errors {
  name: string
  text: (value: number) => string
  images: string
  probes: string
  method: string
}

/** The traces with both errors, and their paired difference. */
export function traceTable(record: SharpnessRecord): Table | null {
  const { symbol, name } = matrixOf(record)
  const rows = seriesOf(record).flatMap(({ name, of: { trace } }): TraceRow[] => {
    if (trace === undefined) return []
    const { samples, probes, method } = trace
    return withParts({
      ...trace,
      ...{ name, text: figure, images: String(samples), probes: String(probes), method },
    })
  })
  const [first] = rows
  if (first === undefined) return null
  const change = record.difference?.trace
  if (change !== undefined) {
    const { images, probes } = first
    rows.push(...withParts({ ...change, ...{ name: 'difference', text: signedFigure, images, probes } }))
  }
  const columns: Column<TraceRow>[] = [
    { head: 'model', of: ({ name }) => name, words: true },
    { head: `tr(${symbol})`, of: ({ value, text }) => text(value) },
    { head: '± over images', of: ({ standardError }) => errorText(standardError) },
    {
      head: '± over probes',
      of: ({ probeStandardError }) => (probeStandardError === 0 ? 'exact' : errorText(probeStandardError)),
    },
    { head: 'images', of: ({ images }) => images },
    { head: 'probes', of: ({ probes }) => probes },
    { head: 'method', of: ({ method }) => method, words: true },
  ]
  const caption = `The trace of ${name} of the mean loss over the images. Over images: the standard error from the choice of the images, which contains that of the probes. Over probes: the standard error from the random numbers for these images alone.`
  return table(caption, columns, rows)
}

/** A row, and a row for each of its parts. */
function withParts({ parts, ...row }: TraceRow & Pick<TraceResult, 'parts'>): TraceRow[] {
  if (parts === undefined) return [row]
  const { gaussNewton, rest } = parts
  return [
    row,
    {
      ...row,
      ...gaussNewton,
      name: '– Gauss-Newton part',
      method: row.method.replace(/, and the rest.*/, ''),
    },
    {
      ...{ ...row, ...rest, standardError: null, name: '– the rest', method: 'Hutchinson' },
      probes: String(rest.probes),
    },
  ]
}

const errorText = (error: number | null): string => (error === null ? 'not known' : figure(error))

interface RiseRow {
  name: string
  where: string
  value: string
  images: number | null
  directions: number | null
  loss: string
}

/** How much the loss rises near the weights. */
export function riseTable(record: SharpnessRecord): Table | null {
  const rows = (['worstCase', 'average'] as const).flatMap((which): RiseRow[] => {
    const own = seriesOf(record).flatMap(({ name, of }): RiseRow[] => {
      const found = of[which]
      if (found === undefined) return []
      const { value, standardError, rho, adaptive, loss } = found
      const kind = which === 'worstCase' ? 'worst case' : 'average'
      return [
        {
          ...{ name, value: figure(value), images: standardError, loss: figure(loss) },
          where: `${kind}, ${adaptive ? 'adaptive, ' : ''}ρ = ${figure(rho)}`,
          directions: 'probeStandardError' in found ? found.probeStandardError : null,
        },
      ]
    })
    const change = record.difference?.[which]
    if (change === undefined || own.length === 0) return own
    const directions = 'probeStandardError' in change ? change.probeStandardError : null
    const { value, standardError } = change
    const shown = { value: signedFigure(value), images: standardError, directions, loss: '–' }
    return [...own, { ...own[0]!, ...shown, name: 'paired difference' }]
  })
  if (rows.length === 0) return null
  const columns: Column<RiseRow>[] = [
    { head: 'model', of: ({ name }) => name, words: true },
    { head: 'where', of: ({ where }) => where, words: true },
    { head: 'rise of the loss', of: ({ value }) => value },
    { head: '± over images', of: ({ images }) => errorText(images) },
    {
      head: '± over directions',
      of: ({ directions }) => (directions === null ? 'none' : figure(directions)),
    },
    { head: 'loss at the weights', of: ({ loss }) => loss },
  ]
  const caption =
    'How much the mean loss over the images rises near the weights. Worst case: the largest rise that gradient ascent finds in the ball of radius ρ, a lower bound. Average: the mean over random directions of the length ρ. Adaptive: the radius is relative to the size of each weight. Over images: the standard error at the places that were found.'
  return table(caption, columns, rows)
}

/** The eigenvalues of each model by rank. */
export function eigenvalueTable(record: SharpnessRecord, most = Number.POSITIVE_INFINITY): Table | null {
  const series = seriesOf(record).filter(({ of }) => of.eigenvalues !== undefined)
  if (series.length === 0) return null
  const { symbol } = matrixOf(record)
  const ranks = Math.max(...series.map(({ of }) => of.eigenvalues!.length))
  const shown = Array.from({ length: Math.min(ranks, most) }, (_, i) => i)
  const columnsOf = ({ name, of }: Series): Column<number>[] => [
    { head: series.length > 1 ? `λ, ${name}` : 'λ', of: (i) => valueText(of.eigenvalues![i]) },
    {
      head: 'residual',
      of: (i) => (of.eigenvalues![i] === undefined ? '–' : figure(of.eigenvalues![i]!.residual)),
    },
  ]
  const [first, second] = series
  const change = (i: number) => {
    const [from, to] = [first!.of.eigenvalues![i]?.value, second!.of.eigenvalues![i]?.value]
    if (from === undefined || to === undefined || !(from > 0)) return '–'
    return `${to > from ? '+' : ''}${percent((100 * (to - from)) / from)}`
  }
  const columns: Column<number>[] = [
    { head: 'rank', of: (i) => i + 1 },
    ...series.flatMap(columnsOf),
    ...(second === undefined ? [] : [{ head: 'change', of: change }]),
  ]
  const rest = ranks > shown.length ? ` The first ${shown.length} of ${ranks}.` : ''
  const floors = series.flatMap(({ of }) => of.floor ?? [])
  const floor =
    floors.length === 0
      ? ''
      : ` Rounding alone gives residuals of about ${figure(Math.max(...floors))}, the floor.`
  const caption = `The largest eigenvalues of ${symbol}.${rest} An eigenvalue of the matrix lies within the residual of each value. * marks a value that has not converged.${floor}`
  return table(caption, columns, shown)
}

function valueText(eigenvalue: { value: number; converged: boolean } | undefined): string {
  return eigenvalue === undefined ? '–' : `${figure(eigenvalue.value)}${eigenvalue.converged ? '' : ' *'}`
}

/** The trace of each layer's block, those that have the most first. */
export function layerTable(record: SharpnessRecord, most = Number.POSITIVE_INFINITY): Table | null {
  const series = seriesOf(record).filter(({ of }) => of.trace?.byLayer !== undefined)
  if (series.length === 0) return null
  const { symbol } = matrixOf(record)
  const layers = series[0]!.of.trace!.byLayer!
  const shown = layers.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, most)
  const cell = (value: number, error: number | null, text = figure) =>
    error === null ? text(value) : `${text(value)} ± ${figure(error)}`
  const columns: Column<{ path: string }>[] = [
    { head: 'layer', of: ({ path }) => (path === '' ? 'the model itself' : path), words: true },
    ...series.map(({ name, of }) => ({
      head: series.length > 1 ? `tr(${symbol}), ${name}` : `tr(${symbol})`,
      of: ({ path }: { path: string }) => {
        const found = of.trace!.byLayer!.find((layer) => layer.path === path)
        return found === undefined ? '–' : cell(found.value, found.standardError)
      },
    })),
  ]
  const differences = record.difference?.trace?.byLayer
  if (differences !== undefined) {
    columns.push({
      head: 'paired difference',
      of: ({ path }) => {
        const found = differences.find((layer) => layer.path === path)
        return found === undefined ? '–' : cell(found.value, found.standardError, signedFigure)
      },
    })
  }
  const rest =
    layers.length > shown.length ? ` The ${shown.length} largest of ${count(layers.length, 'layer')}.` : ''
  const caption = `The trace of each layer’s block of ${symbol}, ± standard error over the images, the largest first.${rest}`
  return table(caption, columns, shown)
}
