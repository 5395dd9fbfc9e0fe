import type { Markish } from '@observablehq/plot'
import type { Study, StudyRow, StudySummary } from '../../shift/index.js'

import { beforeEntry, framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure, fixed, signed } from '../numbers.js'
import type { Draughtsman, Plot } from '../svg.js'
import { type Series, seriesOf } from './series.js'

// Figures of what changes with the batch size: draws are circles, and lines go through their means.

/** What a figure shows of each draw. */
interface Quantity {
  of: (row: StudyRow) => number
  mean: (summary: StudySummary) => number
  /** The value of the original model. */
  before: number
  text: (value: number) => string
}

export function accuracyFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const quantity: Quantity = {
    of: (row) => row.score.top1,
    mean: (summary) => summary.top1.mean,
    before: study.before.top1,
    text: (value) => `${fixed(value)} %`,
  }
  const { shown, offScale } = onScale(seriesOf(study), quantity)
  const drawing = draw({
    alt: `Top-1 accuracy against batch size. ${inWords(shown[0]!, quantity)}`,
    marks: [beforeRule(plot, quantity), ...drawsAndMeans(plot, shown, quantity)],
    options: { x: batchSizeAxis(study), y: { label: 'top-1 accuracy (%)', grid: true, nice: true } },
  })
  const caption = html`<b>Accuracy.</b> Circles are draws, lines go through their means; the grey line is the original model,
    ${quantity.text(quantity.before)}. ${offScale}`
  return framed('accuracy', drawing, caption, [beforeEntry, ...shown])
}

export function normFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const quantity: Quantity = {
    of: (row) => row.normAfter,
    mean: (summary) => summary.norm.mean,
    before: study.normBefore,
    text: (value) => figure(value),
  }
  const { shown, offScale } = onScale(seriesOf(study), quantity)
  // Much smaller batches would squeeze those of the study into a corner.
  const near = (point: { batchSize: number }) => point.batchSize >= 0.6 * study.batchSizes[0]!
  const paths = study.paths.map(({ points }) =>
    plot.line(points.filter(near), { x: 'batchSize', y: 'norm', stroke: 'currentColor', strokeOpacity: 0.3 }),
  )
  const drawing = draw({
    alt: `Norm of the layer’s weight against batch size. ${inWords(shown[0]!, quantity)}`,
    marks: [beforeRule(plot, quantity), ...paths, ...drawsAndMeans(plot, shown, quantity)],
    options: { x: batchSizeAxis(study), y: { label: '‖V*‖', grid: true, nice: true } },
  })
  const caption = html`<b>Norm.</b> ‖V*‖ of each draw and the mean; the grey line is ‖V‖,
    ${quantity.text(quantity.before)}. Thin lines: batches that grow row by row, with all directions kept. ${offScale}`
  return framed('norm', drawing, caption, [beforeEntry, ...shown])
}

/** The change of accuracy in each draw, with its 95 % interval from the images that only one of the two models gets right. */
export function pairedFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const { rows, name } = seriesOf(study)[0]!
  const images = study.validation.images
  const points = rows.map(({ batchSize, seed, test: { onlyBefore, onlyAfter, adjustedPValue } }) => {
    const change = (onlyAfter - onlyBefore) / images
    const error = Math.sqrt((onlyBefore + onlyAfter) / images - change ** 2) / Math.sqrt(images)
    return {
      place: `${batchSize} · ${seed}`,
      change: 100 * change,
      low: 100 * (change - 1.96 * error),
      high: 100 * (change + 1.96 * error),
      significant: adjustedPValue < 0.05,
      colour: adjustedPValue < 0.05 ? 'var(--ink)' : 'var(--before)',
    }
  })
  const significant = points.filter((point) => point.significant).length
  const changes = points.map(({ change }) => change)
  const drawing = draw({
    alt: `Change of top-1 accuracy of each draw with its 95 % interval: from ${signed(Math.min(...changes))} to ${signed(Math.max(...changes))} percentage points, ${significant} of ${points.length} significant.`,
    marks: [
      plot.ruleX([0], { stroke: 'var(--before)', strokeWidth: 1.5 }),
      plot.link(points, { x1: 'low', x2: 'high', y: 'place', stroke: 'colour', strokeWidth: 1.5 }),
      plot.dot(points, {
        x: 'change',
        y: 'place',
        fill: 'colour',
        r: 3.5,
        title: ({ change, low, high }: (typeof points)[number]) =>
          `${signed(change)} points, from ${signed(low)} to ${signed(high)}`,
      }),
    ],
    options: {
      marginLeft: 72,
      x: { label: 'change of top-1 (percentage points)', grid: true, nice: true },
      y: { label: 'batch size · seed', domain: points.map(({ place }) => place), padding: 0.5 },
      height: Math.max(320, 60 + 13 * points.length),
    },
  })
  const caption = html`<b>Paired change</b> of each draw of ${name}, with its 95 % interval (normal approximation), from the
    images that one model gets right and the other wrong. ${significant} of ${points.length} are significant after
    Holm’s correction${significant > 0 ? ', shown dark' : ''}.`
  return framed('paired', drawing, caption, [])
}

/** The series that the figure shows, and a sentence about controls that are so far away that they would squeeze the rest into a line. */
function onScale(series: readonly Series[], quantity: Quantity): { shown: Series[]; offScale: string } {
  const { of, before, text } = quantity
  const own = [before, ...series.filter(({ control }) => !control).flatMap(({ rows }) => rows.map(of))]
  const [low, high] = [Math.min(...own), Math.max(...own)]
  const reach = 1.5 * (high - low)
  const far = (one: Series) =>
    one.control && one.rows.some((row) => of(row) < low - reach || of(row) > high + reach)
  const inWords = series.filter(far).map(({ name, rows }) => {
    const values = rows.map(of)
    return `${name}, ${text(Math.min(...values))} to ${text(Math.max(...values))}`
  })
  return {
    shown: series.filter((one) => !far(one)),
    offScale: inWords.length > 0 ? `Off the scale: ${inWords.join('; ')}.` : '',
  }
}

const beforeRule = (plot: Plot, { before }: Quantity): Markish =>
  plot.ruleY([before], { stroke: 'var(--before)', strokeWidth: 1.5 })

/** Draws and means of each series, a little beside one another; the lines of controls are dashed. */
function drawsAndMeans(plot: Plot, series: readonly Series[], { of, mean, text }: Quantity): Markish[] {
  return series.flatMap(({ name, rows, summaries, colour, control }, i) => {
    const place = ({ batchSize }: { batchSize: number }) => `${name}, b = ${batchSize}`
    const dx = 4 * (i - (series.length - 1) / 2)
    const dashes = control ? { strokeDasharray: '5 3' } : {}
    return [
      plot.line(summaries, { x: 'batchSize', y: mean, stroke: colour, strokeWidth: 2, dx, ...dashes }),
      plot.dot(summaries, {
        x: 'batchSize',
        y: mean,
        fill: colour,
        r: 3.5,
        dx,
        title: (one: StudySummary) => `${place(one)}: mean ${text(mean(one))}`,
      }),
      plot.dot(rows, {
        x: 'batchSize',
        y: of,
        stroke: colour,
        strokeOpacity: 0.75,
        r: 2.5,
        dx,
        title: (row: StudyRow) => `${place(row)}, seed ${row.seed}: ${text(of(row))}`,
      }),
    ]
  })
}

const batchSizeAxis = ({ batchSizes }: Study) => ({
  label: 'batch size b',
  ticks: [...batchSizes],
  tickFormat: (value: number) => String(value),
  insetLeft: 20,
  insetRight: 20,
})

function inWords({ name, summaries }: Series, { before, mean, text }: Quantity): string {
  const means = summaries.map((summary) => `${text(mean(summary))} at ${summary.batchSize}`)
  return `Before: ${text(before)}. With ${name}: ${means.join(', ')}.`
}
