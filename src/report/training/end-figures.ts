import { spreadOf } from '../../base/index.js'
import { colourOf, framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure, fixed, percent } from '../numbers.js'
import type { Draughtsman } from '../svg.js'
import type { RunResult } from './run.js'
import type { TrainingSummary } from './summary.js'

/** A quantity of finished runs. */
interface EndQuantity {
  readonly id: string
  readonly title: string
  readonly label: string
  readonly of: (run: RunResult) => number | null | undefined
  readonly text: (value: number) => string
}

const quantities: readonly EndQuantity[] = [
  {
    id: 'end-accuracy',
    title: 'Test accuracy after the last epoch',
    label: 'top-1 accuracy (%)',
    of: ({ test }) => test?.top1,
    text: (value) => percent(value),
  },
  {
    id: 'end-trace',
    title: 'Trace of the Hessian at the end',
    label: 'tr(H)',
    of: ({ probe }) => probe?.trace?.trace,
    text: (value) => figure(value),
  },
]

/** A value of a finished run. */
interface EndPoint {
  readonly scheme: string
  readonly seed: number
  readonly value: number
  readonly colour: string
}

/**
 * Figures of where the finished runs end: a dot for each seed, a line between the runs of one seed with and without shifts, and mean ± standard
 * deviation. A figure needs two schemes.
 */
export function endFigures({ runs, schemes }: TrainingSummary, hand: Draughtsman): Html[] {
  const names = schemes.map(({ scheme }) => scheme)
  return quantities.flatMap((quantity) => {
    const points = runs.flatMap((run) => {
      const value = run.finished ? quantity.of(run) : null
      if (value == null || !Number.isFinite(value)) return []
      return [{ scheme: run.scheme, seed: run.seed, value, colour: colourOf(names.indexOf(run.scheme)) }]
    })
    const shown = names.filter((name) => points.some(({ scheme }) => scheme === name))
    return shown.length < 2 ? [] : [endFigure(quantity, shown, points, hand)]
  })
}

function endFigure(
  { id, title, label, text }: EndQuantity,
  schemes: readonly string[],
  points: readonly EndPoint[],
  { plot, draw }: Draughtsman,
): Html {
  const pairs = points.flatMap((to) => {
    const from = points.find(({ scheme, seed }) => `${scheme}+sos` === to.scheme && seed === to.seed)
    return from === undefined
      ? []
      : [{ from: from.scheme, to: to.scheme, before: from.value, after: to.value }]
  })
  const means = schemes.map((scheme) => {
    const { mean, sd } = spreadOf(points.filter((one) => one.scheme === scheme).map(({ value }) => value))
    return { scheme, mean, low: mean - (sd ?? 0), high: mean + (sd ?? 0), sd }
  })
  const inWords = means.map(
    ({ scheme, mean, sd }) => `${scheme}: ${text(mean)}${sd === null ? '' : ` ± ${text(sd)}`}`,
  )
  const drawing = draw({
    alt: `${title}. ${inWords.join('; ')}.`,
    marks: [
      plot.link(pairs, {
        x1: 'from',
        x2: 'to',
        y1: 'before',
        y2: 'after',
        stroke: 'currentColor',
        strokeOpacity: 0.4,
      }),
      plot.dot(points, {
        x: 'scheme',
        y: 'value',
        fill: 'colour',
        r: 4,
        title: ({ scheme, seed, value }: EndPoint) => `${scheme}, seed ${seed}: ${text(value)}`,
      }),
      plot.ruleX(means, { x: 'scheme', y1: 'low', y2: 'high', dx: 14, stroke: 'currentColor' }),
      plot.dot(means, { x: 'scheme', y: 'mean', dx: 14, symbol: 'diamond', r: 5, fill: 'currentColor' }),
    ],
    options: {
      marginBottom: 30,
      x: { label: null, domain: schemes },
      y: {
        label,
        grid: true,
        nice: true,
        tickFormat: (value: number) => fixed(value, 2).replace(/\.?0+$/, ''),
      },
    },
  })
  const caption = html`<b>${title}.</b> A dot is a run. Lines join the runs of one seed without and with shifts. The diamond
    and its bar are the mean ± standard deviation over the seeds.`
  return framed(id, drawing, caption, [])
}
