import { densityAt } from '../../sharpness/index.js'
import { framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure } from '../numbers.js'
import { type Draughtsman, logTicks } from '../svg.js'
import type { SharpnessRecord } from './record.js'
import { matrixOf, seriesOf } from './series.js'

/** The number of points of a curve. */
const resolution = 400

/** The width of the smoothing, as a share of the range. */
const width = 0.01

/** The distribution of the eigenvalues as a smooth curve, with ticks for those that were computed by themselves. Null if there is none. */
export function densityFigure(record: SharpnessRecord, { plot, draw }: Draughtsman): Html | null {
  const series = seriesOf(record).flatMap(({ of: { density }, ...entry }) =>
    density === undefined ? [] : [{ ...entry, density }],
  )
  if (series.length === 0) return null
  const { symbol } = matrixOf(record)
  const places = series.flatMap(({ density: { nodes, outliers } }) => [
    ...nodes,
    ...outliers.map(({ value }) => value),
  ])
  const [low, high] = [Math.min(...places), Math.max(...places)]
  const sigma = width * (high - low || Math.abs(high) || 1)
  const [from, to] = [low - 4 * sigma, high + 4 * sigma]
  const points = Array.from({ length: resolution }, (_, i) => from + ((to - from) * i) / (resolution - 1))
  const curves = series.map(({ density }) => densityAt(density, points, sigma))
  const most = Math.max(...curves.flat())
  // A single eigenvalue has this height; less than a tenth of it is nothing.
  const least = 0.1 / (record.size * sigma * Math.sqrt(2 * Math.PI))
  const ticks = logTicks([least, most])
  const ranges = series.map(({ name, density: { nodes, outliers } }) => {
    const own = [...nodes, ...outliers.map(({ value }) => value)]
    return `${name}: from ${figure(Math.min(...own))} to ${figure(Math.max(...own))}.`
  })
  const drawing = draw({
    alt: `Density of the eigenvalues of ${symbol}, on a logarithmic axis. ${ranges.join(' ')}`,
    marks: [
      plot.gridY(ticks),
      plot.axisY(ticks, { text: ticks.map((tick) => figure(tick)) }),
      plot.ruleX([0], { stroke: 'var(--before)' }),
      ...series.flatMap(({ colour, name, density }, i) => [
        plot.line(
          points.map((x, j) => ({ x, y: Math.max(curves[i]![j]!, least) })),
          { x: 'x', y: 'y', stroke: colour, strokeWidth: 1.5 },
        ),
        plot.tickX(density.outliers, {
          x: 'value',
          stroke: colour,
          strokeWidth: 1.5,
          insetTop: 245 - 12 * i,
          insetBottom: 12 * i,
          title: ({ value }: { value: number }) => `${name}: ${figure(value)}`,
        }),
      ]),
    ],
    options: {
      x: { label: 'λ' },
      y: { label: 'density', type: 'log', axis: null, domain: [least, most] },
    },
  })
  const ticksInWords = series.some(({ density }) => density.outliers.length > 0)
    ? 'Ticks at the bottom are eigenvalues that were computed by themselves.'
    : ''
  const caption = html`<b>Density of the eigenvalues</b> of ${symbol}, each smoothed by a normal distribution of standard deviation ${figure(sigma)}. The
    integral over the whole axis is 1. ${ticksInWords} ${ranges.join(' ')}`
  return framed('density', drawing, caption, series)
}
