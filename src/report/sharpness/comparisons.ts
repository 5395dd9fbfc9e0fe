import { figure, plusMinus, share, signedFigure } from '../numbers.js'
import { type Column, type Table, table } from '../table.js'
import type { ModelSharpness, SharpnessRecord } from './record.js'
import { matrixOf } from './series.js'

type Compared = SharpnessRecord & { compare: ModelSharpness }

/** A table of records that each compare the traces of two models, with a row for each. */
export function comparedTraces(records: readonly SharpnessRecord[]): Table {
  const compared = comparisons(records).filter(({ difference }) => difference?.trace !== undefined)
  const symbol = symbolOf(compared)
  return table(
    'Before the shift, and the change. ± is the standard error over the images; the next column has the part of it that comes from the random vectors. Effective: how many images of uniform draws would give tr(H) the same error.',
    [
      names,
      { head: `tr(${symbol})`, of: ({ trace }) => withError(trace!.value, trace!.standardError) },
      { head: 'change', of: ({ difference }) => change(difference!.trace!) },
      {
        head: 'by the vectors',
        of: ({ difference }) => figure(difference!.trace!.probeStandardError ?? 0, 2),
      },
      { head: 'draws', of: ({ trace }) => trace!.samples },
      { head: 'effective', of: ({ trace }) => figure(trace!.effectiveSamples ?? trace!.samples, 3) },
    ],
    compared,
  )
}

/** A table of records that each compare the eigenvalues of two models, with a row for each. */
export function comparedSpectra(records: readonly SharpnessRecord[]): Table {
  const compared = comparisons(records).filter(
    ({ eigenvalues, compare }) => eigenvalues !== undefined && compare.eigenvalues !== undefined,
  )
  return table(
    'Before → after the shift, on the same images. Converged: the share of all these eigenvalues whose residual is at most the tolerance. Products: how many matrix-vector products they took.',
    [
      names,
      { head: 'images', of: ({ samples }) => samples },
      { head: 'eigenvalues', of: ({ eigenvalues }) => eigenvalues!.length },
      { head: 'λ₁', of: ofBoth((values) => figure(Math.max(...values))) },
      { head: 'their sum', of: ofBoth((values) => figure(values.reduce((a, b) => a + b, 0))) },
      { head: 'the last', of: ofBoth((values) => figure(values.at(-1)!)) },
      { head: 'products', of: ({ products, compare }) => `${products} → ${compare.products}` },
      { head: 'converged', of: convergedShare },
    ],
    compared,
  )
}

const names: Column<Compared> = {
  head: 'models',
  words: true,
  of: ({ model, compare }) => `${short(model)} → ${short(compare.model)}`,
}

function comparisons(records: readonly SharpnessRecord[]): Compared[] {
  return records.filter((record): record is Compared => record.compare !== undefined)
}

const symbolOf = ([first]: readonly SharpnessRecord[]): string =>
  first === undefined ? 'H' : matrixOf(first).symbol

function change({ value, standardError }: { value: number; standardError: number | null }): string {
  return standardError === null ? signedFigure(value) : `${signedFigure(value)} ± ${figure(standardError, 2)}`
}

const withError = (value: number, error: number | null): string =>
  error === null ? figure(value) : plusMinus(value, error)

/** What the eigenvalues of both models give. */
function ofBoth(of: (values: readonly number[]) => string) {
  return ({ eigenvalues, compare }: Compared): string =>
    [eigenvalues!, compare.eigenvalues!].map((all) => of(all.map(({ value }) => value))).join(' → ')
}

function convergedShare({ eigenvalues, compare }: Compared): string {
  const all = [...eigenvalues!, ...compare.eigenvalues!]
  return share(all.filter(({ converged }) => converged).length / all.length)
}

const short = (path: string): string => path.split('/').at(-1)!
