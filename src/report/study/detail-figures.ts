import type { ReliabilityBin } from '../../evaluate/index.js'
import type { Study } from '../../shift/index.js'
import { beforeEntry, framed, sizeColourOf } from '../framed.js'
import { type Html, html } from '../html.js'
import { fixed, share } from '../numbers.js'
import { type Draughtsman, logTicks } from '../svg.js'
import { seriesOf } from './series.js'

// A closer look at the first variant, with a colour for each batch size.

export function spectrumFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const settings = new Set(study.spectra.map(({ sampling, bias }) => `${sampling} ${bias}`))
  const spectra = study.spectra.map((spectrum, i) => ({
    ...spectrum,
    name: `b = ${spectrum.batchSize}${settings.size > 1 ? `, ${spectrum.sampling}, bias ${spectrum.bias}` : ''}`,
    colour: sizeColourOf(i, study.spectra.length),
    points: thinned(positivePoints(spectrum.values), 400),
  }))
  const cuts = spectra.flatMap(({ cuts, values, colour, name }) =>
    cuts
      .filter(({ rank }) => rank > 0 && values[rank - 1]! > 0)
      .map(({ policy, rank }) => ({ index: rank, value: values[rank - 1]!, policy, colour, name })),
  )
  const ticks = logTicks(spectra.flatMap(({ points }) => points.map(({ value }) => value)))
  const cutsInWords = cuts.map(({ name, policy, index }) => `${index} by ${policy} (${name})`)
  const drawing = draw({
    alt: `Singular values of the batch’s features on a logarithmic scale. Kept: ${cutsInWords.join(', ')}.`,
    marks: [
      plot.gridY(ticks),
      plot.axisY(ticks, { text: ticks.map(String) }),
      ...spectra.map(({ points, colour }) =>
        plot.line(points, { x: 'index', y: 'value', stroke: colour, strokeWidth: 1.5 }),
      ),
      plot.ruleX(cuts, { x: 'index', stroke: 'colour', strokeDasharray: '3 3' }),
      plot.dot(cuts, { x: 'index', y: 'value', fill: 'colour', r: 3.5 }),
    ],
    options: {
      x: { label: 'i', nice: true },
      y: { label: 'σ_i', type: 'log', axis: null },
    },
  })
  const caption = html`<b>Singular values</b> of A, in the first draw. A dashed line marks the rank at which a policy cuts. The directions to the right
    of it count as noise, and V* has no part in them. Kept: ${cutsInWords.join(', ')}.`
  return framed('spectrum', drawing, caption, spectra)
}

export function driftFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const rows = firstDraws(study)
  const points = rows.flatMap(({ drift, colour }) => drift.sample.map((point) => ({ ...point, colour })))
  const largest = Math.max(1e-3, ...points.map(({ drift }) => drift))
  const widest = Math.max(1e-3, ...points.map(({ margin }) => margin))
  const diagonal = [0, Math.min(largest, widest)]
  const same = (value: number) => value
  const safe = rows.map(({ name, drift }) => `${share(drift.marginSafeShare)} (${name})`).join(', ')
  const drawing = draw({
    alt: `Margins of validation images against the drift of their logits. Above the diagonal, where an image keeps its class for certain: ${safe}.`,
    marks: [
      plot.dot(points, { x: 'drift', y: 'margin', fill: 'colour', fillOpacity: 0.6, r: 2 }),
      plot.line(diagonal, { x: same, y: same, stroke: 'currentColor' }),
    ],
    options: {
      x: { label: 'drift: max |Δz_i − Δz_j|', type: 'sqrt', domain: [0, largest] },
      y: { label: 'margin before', type: 'sqrt', domain: [0, widest], grid: true },
    },
  })
  const caption = html`<b>Drift against margin</b> of ${rows[0]!.drift.sample.length} images in the first draws. An image above the
    diagonal keeps its class for certain: the margin between its two largest logits is larger than the change of the difference of any
    two logits. Share of all images: ${safe}.`
  return framed('drift', drawing, caption, rows)
}

/** An interval of confidence with fewer images is not shown, because its accuracy is too uncertain. */
const fewest = 10

export function reliabilityFigure(study: Study, { plot, draw }: Draughtsman): Html {
  const { rows, summaries } = seriesOf(study)[0]!
  const curves = [
    { ...beforeEntry, bins: study.before.reliability, models: 1 },
    ...study.batchSizes.map((batchSize, i) => {
      const draws = rows.filter((row) => row.batchSize === batchSize)
      const bins = pooled(draws.map(({ score }) => score.reliability))
      return {
        name: `b = ${batchSize}`,
        colour: sizeColourOf(i, study.batchSizes.length),
        bins,
        models: draws.length,
      }
    }),
  ]
  const points = curves.flatMap(({ bins, models, colour, name }) =>
    bins
      .filter(({ count }) => count >= fewest * models)
      .map(({ count, ...bin }) => ({ ...bin, images: count / models, colour, name })),
  )
  const errors = summaries.map(
    ({ batchSize, calibrationError }) => `${fixed(calibrationError.mean, 4)} (b = ${batchSize})`,
  )
  const errorsInWords = `Expected calibration error: ${fixed(study.before.calibrationError, 4)} before, ${errors.join(', ')}`
  const same = (value: number) => value
  const drawing = draw({
    alt: `Reliability diagram, accuracy against confidence before and after. ${errorsInWords}.`,
    marks: [
      plot.line([0, 1], { x: same, y: same, stroke: 'currentColor', strokeDasharray: '2 4' }),
      plot.line(points, { x: 'confidence', y: 'accuracy', z: 'name', stroke: 'colour', strokeOpacity: 0.6 }),
      plot.dot(points, {
        x: 'confidence',
        y: 'accuracy',
        r: 'images',
        stroke: 'colour',
        fill: 'colour',
        fillOpacity: 0.2,
      }),
    ],
    options: {
      x: { label: 'confidence', domain: [0, 1] },
      y: { label: 'accuracy', domain: [0, 1], grid: true },
      r: { range: [1.5, 8] },
    },
  })
  const caption = html`<b>Reliability.</b> Accuracy against confidence in fifteen intervals of equal width, all draws together. Intervals with fewer than
    ${fewest} images are left out. On the dotted line, confidence equals accuracy. ${errorsInWords}.`
  return framed('reliability', drawing, caption, curves)
}

/** The first draw of the first variant at each batch size. */
function firstDraws(study: Study) {
  const { rows } = seriesOf(study)[0]!
  return study.batchSizes.map((batchSize, i) => ({
    ...rows.find((row) => row.batchSize === batchSize)!,
    name: `b = ${batchSize}`,
    colour: sizeColourOf(i, study.batchSizes.length),
  }))
}

function pooled(draws: readonly (readonly ReliabilityBin[])[]): ReliabilityBin[] {
  return draws[0]!.map((_, i) => {
    const bins = draws.map((one) => one[i]!)
    const count = bins.reduce((sum, bin) => sum + bin.count, 0)
    const mean = (of: (bin: ReliabilityBin) => number | null) =>
      count === 0 ? null : bins.reduce((sum, bin) => sum + bin.count * (of(bin) ?? 0), 0) / count
    return { count, confidence: mean((bin) => bin.confidence), accuracy: mean((bin) => bin.accuracy) }
  })
}

/** The values above zero, with their places; others cannot be shown on a logarithmic scale. */
const positivePoints = (values: readonly number[]) =>
  values.map((value, i) => ({ index: i + 1, value })).filter(({ value }) => value > 0)

function thinned<T>(points: readonly T[], most: number): T[] {
  if (points.length <= most) return [...points]
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!)
}
