import type { Markish } from '@observablehq/plot'

import { framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { count, figure, plusMinus } from '../numbers.js'
import { type Draughtsman, logTicks, type Plot } from '../svg.js'
import type { SharpnessRecord, TraceResult } from './record.js'
import { matrixOf, type Series, seriesOf } from './series.js'

/** An eigenvalue at its place. */
interface Point {
  readonly rank: number
  readonly size: number
  readonly value: number
  readonly residual: number
  readonly converged: boolean
}

/** Figure 2 of the paper: the magnitudes of the largest eigenvalues by rank, on a logarithmic axis. Null if there are none. */
export function eigenvalueFigure(record: SharpnessRecord, hand: Draughtsman): Html | null {
  const series = spectraOf(record)
  const points = series.map(({ of }) => pointsOf(of.eigenvalues!))
  const all = points.flat()
  if (all.length === 0) return null
  const { symbol } = matrixOf(record)
  const drawing = eigenvalueDrawing(record, hand)
  const notes = [
    errorInWords(series),
    all.some(({ value }) => value < 0) ? 'Rings are negative.' : '',
    all.some(({ converged }) => !converged) ? 'Crosses have not converged.' : '',
  ]
  const caption = html`<b>The ${count(points[0]!.length, 'largest eigenvalue', 'largest eigenvalues')}</b> of ${symbol}.
    ${series.map((one) => `${inWords(one, symbol)} `)}${notes.join(' ')}`
  return framed('eigenvalues', drawing, caption, series)
}

/** The models whose eigenvalues a record has. */
export function spectraOf(record: SharpnessRecord): Series[] {
  return seriesOf(record).filter(({ of }) => of.eigenvalues !== undefined)
}

/** The figure without its frame. At least one eigenvalue must differ from 0. */
export function eigenvalueDrawing(record: SharpnessRecord, { plot, draw }: Draughtsman): Html {
  const series = spectraOf(record)
  const points = series.map(({ of }) => pointsOf(of.eigenvalues!))
  const all = points.flat()
  const ticks = logTicks(all.map(({ size }) => size))
  const { symbol } = matrixOf(record)
  return draw({
    alt: `The largest eigenvalues of ${symbol} by rank, on a logarithmic axis. ${series.map((one) => inWords(one, symbol)).join(' ')}`,
    marks: [
      plot.gridY(ticks),
      plot.axisY(ticks, { text: ticks.map((tick) => figure(tick)) }),
      ...series.flatMap((one, i) => marksOf(plot, one, points[i]!)),
    ],
    options: {
      x: { label: 'rank', insetLeft: 8, insetRight: 8 },
      y: { label: all.some(({ value }) => value < 0) ? '|λ|' : 'λ', type: 'log', axis: null, inset: 8 },
    },
  })
}

/** The eigenvalues that a logarithmic axis can show, those of the largest magnitude first. */
function pointsOf(eigenvalues: readonly Omit<Point, 'rank' | 'size'>[]): Point[] {
  return eigenvalues
    .filter(({ value }) => value !== 0)
    .toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .map((one, i) => ({ ...one, rank: i + 1, size: Math.abs(one.value) }))
}

function marksOf(plot: Plot, { name, colour }: Series, points: readonly Point[]): Markish[] {
  const place = { x: 'rank', y: 'size', title: (point: Point) => titleOf(name, point) }
  const r = points.length > 40 ? 2.2 : 3
  const done = points.filter(({ converged }) => converged)
  return [
    plot.dot(
      done.filter(({ value }) => value > 0),
      { ...place, r, fill: colour },
    ),
    plot.dot(
      done.filter(({ value }) => value < 0),
      { ...place, r, stroke: colour, fill: 'var(--panel)' },
    ),
    plot.dot(
      points.filter(({ converged }) => !converged),
      { ...place, r: r + 1, symbol: 'times', stroke: colour },
    ),
  ]
}

const titleOf = (name: string, { rank, value, residual }: Point): string =>
  `${name}, rank ${rank}: ${plusMinus(value, residual)}`

function withError({ value, standardError, probeStandardError }: TraceResult): string {
  const error = standardError ?? probeStandardError
  return error === null ? figure(value) : plusMinus(value, error)
}

/** What ± means in the caption. */
function errorInWords(series: readonly Series[]): string {
  const traces = series.flatMap(({ of }) => of.trace ?? [])
  if (traces.length === 0) return ''
  const isOverImages = traces.every(({ standardError }) => standardError !== null)
  return `± is the standard error over the ${isOverImages ? 'images' : 'probes'}.`
}

/** λ₁ and the trace, as the caption has them. */
function inWords({ name, of: { eigenvalues, trace } }: Series, symbol: string): string {
  const first = Math.max(...eigenvalues!.map(({ value }) => value))
  const sum = trace === undefined ? '' : `, tr(${symbol}) = ${withError(trace)}`
  return `${name}: λ₁ = ${figure(first)}${sum}.`
}
