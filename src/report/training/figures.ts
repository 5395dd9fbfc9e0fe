import type { Markish } from '@observablehq/plot'

import { framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { count, figure } from '../numbers.js'
import { type Draughtsman, logTicks, type Plot } from '../svg.js'
import { type Curve, type CurvePoint, curvesOf } from './curves.js'
import { type TrainingQuantity, trainingQuantities } from './quantities.js'
import type { TrainingRun } from './run.js'

/** The last part of the epochs has a figure of its own only if there are at least so many epochs. */
const fewestEpochsOfPart = 20

/** A line of so few points also shows each point. */
const fewPoints = 12

/** Relative difference up to which values count as equal: the rounding of their mean. */
const alike = 1e-9

/** The least ratio of largest and smallest value for a logarithmic scale, which then has at least two ticks. */
const leastRatio = 5

/** The drawing of a quantity by epoch, with its caption. */
export interface TrainingDrawing {
  readonly id: string
  readonly svg: Html
  readonly caption: Html
  readonly curves: readonly Curve[]
}

/** The figures of a training for its page. */
export function trainingFigures(runs: readonly TrainingRun[], hand: Draughtsman): Html[] {
  return trainingDrawings(runs, hand).map(({ id, svg, caption, curves }) => framed(id, svg, caption, curves))
}

/** A drawing for each quantity that the runs recorded. */
export function trainingDrawings(runs: readonly TrainingRun[], hand: Draughtsman): TrainingDrawing[] {
  return trainingQuantities.flatMap((quantity) => trainingDrawing(runs, quantity, hand) ?? [])
}

/** Runs are thin lines, their means thick ones. The mean of a scheme is dashed if another scheme adds shifts to it. */
function trainingDrawing(
  runs: readonly TrainingRun[],
  quantity: TrainingQuantity,
  { plot, draw }: Draughtsman,
): TrainingDrawing | null {
  const curves = shownPart(curvesOf(runs, quantity.of), quantity.last ?? 1)
  if (curves.length === 0) return null
  const values = curves
    .flatMap((curve) => curve.runs.flatMap(({ points }) => points.map(({ value }) => value)))
    .sort((a, b) => a - b)
  const [low, high] = [values[0]!, values.at(-1)!]
  const log = quantity.log === true && low > 0 && high >= leastRatio * low
  const ticks = log ? logTicks([low, high]) : []
  const scale = log
    ? { label: quantity.label, type: 'log' as const, axis: null }
    : {
        label: quantity.label,
        grid: true,
        nice: true,
        ...(high - low <= alike * Math.abs(high) ? oneTick(low) : {}),
      }
  const svg = draw({
    alt: `${quantity.title} by epoch. ${curves.map((curve) => inWords(curve, quantity)).join(' ')}`,
    marks: [
      ...(log ? [plot.gridY(ticks), plot.axisY(ticks, { text: ticks.map(String) })] : []),
      // The dashed lines are drawn last, so that what they cover can still be seen.
      ...curves.filter(({ control }) => !control).flatMap((curve) => lines(plot, curve)),
      ...curves.filter(({ control }) => control).flatMap((curve) => lines(plot, curve)),
    ],
    options: { x: epochAxis(curves), y: scale },
  })
  const several = curves.some((curve) => curve.runs.length > 1)
  const caption = html`<b>${quantity.title}.</b> ${quantity.note} ${several ? 'Thin lines: runs; thick: their mean.' : ''}
    ${log ? 'Logarithmic.' : ''}`
  return { id: quantity.id, svg, caption, curves }
}

/** A scale around a single value, for which the automatic ticks have no step. */
function oneTick(value: number) {
  const margin = Math.abs(value) / 10 || 1
  return {
    domain: [value - margin, value + margin],
    ticks: [value],
    tickFormat: (tick: number) => figure(tick),
    nice: false,
  }
}

/** An axis of few epochs has a tick for each, since automatic ticks would stand between whole epochs. */
function epochAxis(curves: readonly Curve[]) {
  const epochs = curves.flatMap((curve) =>
    curve.runs.flatMap(({ points }) => points.map(({ epoch }) => epoch)),
  )
  const all = [...new Set(epochs)].sort((a, b) => a - b)
  return {
    label: 'epochs done',
    ...(all.length <= fewPoints ? { ticks: all, tickFormat: String } : { nice: true }),
  }
}

/** The last part of the curves, counted from the largest epoch; no curves if there are too few epochs. */
function shownPart(curves: readonly Curve[], part: number): readonly Curve[] {
  if (part === 1) return curves
  const epochs = curves.flatMap((curve) => curve.runs.map(({ points }) => points.at(-1)!.epoch))
  const most = Math.max(0, ...epochs)
  if (most < fewestEpochsOfPart) return []
  const late = ({ epoch }: CurvePoint) => epoch > (1 - part) * most
  return curves
    .map((curve) => ({
      ...curve,
      runs: curve.runs
        .map((run) => ({ ...run, points: run.points.filter(late) }))
        .filter(({ points }) => points.length > 0),
      means: curve.means.filter(late),
    }))
    .filter(({ runs }) => runs.length > 0)
}

function lines(plot: Plot, { name, runs, means, colour, control, counted }: Curve): Markish[] {
  const place = { x: 'epoch', y: 'value', stroke: colour }
  // The mean of a single run is the run itself.
  const thin = runs.length === 1 && counted === 1 ? [] : runs
  const dashes = control ? { strokeDasharray: '6 3' } : {}
  return [
    ...thin.map(({ points }) => plot.line(points, { ...place, strokeWidth: 1, strokeOpacity: 0.4 })),
    plot.line(means, { ...place, strokeWidth: 2, ...dashes }),
    ...thin
      .filter(({ points }) => points.length === 1)
      .map(({ points }) => plot.dot(points, { ...place, r: 2, strokeOpacity: 0.6 })),
    ...(means.length <= fewPoints
      ? [
          plot.dot(means, {
            x: 'epoch',
            y: 'value',
            fill: colour,
            r: 3,
            title: ({ epoch, value }: CurvePoint) => `${name}, ${count(epoch, 'epoch')}: ${figure(value)}`,
          }),
        ]
      : []),
  ]
}

function inWords({ name, means, counted, runs }: Curve, { text }: TrainingQuantity): string {
  const end = means.at(-1)
  if (end === undefined) return `${name}: ${count(runs.length, 'run')} that have no epoch in common.`
  const spread = end.sd === null ? '' : ` ± ${text(end.sd)}`
  const [first] = means
  const begin = first === end ? '' : `${text(first!.value)} after ${count(first!.epoch, 'epoch')}, `
  return `${name}: ${begin}${text(end.value)}${spread} after ${count(end.epoch, 'epoch')} (${count(counted, 'run')}).`
}
