import { framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure } from '../numbers.js'
import { type Draughtsman, logTicks } from '../svg.js'
import { type LandscapeDocument, type LossLineDocument, shortName, surfacesIn } from './document.js'
import { extent } from './levels.js'

/** Values along a line, for one curve of a figure. */
interface Curve {
  readonly name: string
  readonly colour: string
  readonly at: readonly number[]
  readonly values: readonly (number | null)[]
}

const colours = ['var(--series-1)', 'var(--series-2)']

/** The loss along each of the two axes through the centre; null if the centre is not on the grid. */
export function sectionFigures(document: LandscapeDocument, hand: Draughtsman): Html[] | null {
  const { x, y } = document
  const [column, row] = [x.indexOf(0), y.indexOf(0)]
  if (column === -1 || row === -1) return null
  const surfaces = surfacesIn(document)
  const curves = (at: readonly number[], along: (loss: LandscapeDocument['loss']) => (number | null)[]) =>
    surfaces.map(({ model, loss }, i) => ({
      name: shortName(model),
      colour: colours[i]!,
      at,
      values: along(loss),
    }))
  return [
    curvesFigure(
      'section-x',
      'Loss along the first direction',
      'x',
      'loss',
      curves(x, (loss) => [...loss[row]!]),
      hand,
    ),
    curvesFigure(
      'section-y',
      'Loss along the second direction',
      'y',
      'loss',
      curves(y, (loss) => loss.map((values) => values[column]!)),
      hand,
    ),
  ]
}

/** Loss and accuracy on the line between two models. */
export function lineFigures(document: LossLineDocument, hand: Draughtsman): Html[] {
  const { t, loss, accuracy, model, between } = document
  const note = `t = 0 is ${shortName(model)}, and t = 1 is ${shortName(between)}.`
  const curve = (values: readonly (number | null)[]) => [{ name: '', colour: colours[0]!, at: t, values }]
  return [
    curvesFigure('line-loss', 'Loss between the models', 't', 'loss', curve(loss), hand, note, [0, 1]),
    curvesFigure(
      'line-accuracy',
      'Accuracy between the models',
      't',
      'top-1 accuracy (%)',
      curve(accuracy),
      hand,
      note,
      [0, 1],
    ),
  ]
}

function curvesFigure(
  id: string,
  title: string,
  across: string,
  upwards: string,
  curves: readonly Curve[],
  { plot, draw }: Draughtsman,
  note = '',
  rules: readonly number[] = [0],
): Html {
  const [low, high] = extent(curves.flatMap(({ values }) => values)) ?? [0, 1]
  const log = upwards === 'loss' && low > 0 && high > 5 * low
  const ticks = log ? logTicks([low, high]) : []
  const drawing = draw({
    alt: `${title}. ${curves.map(inWords).join(' ')}`,
    marks: [
      ...(log ? [plot.gridY(ticks), plot.axisY(ticks, { text: ticks.map(String) })] : []),
      plot.ruleX([...rules], { stroke: 'var(--line)' }),
      ...curves.map(({ at, values, colour }) =>
        plot.line(
          at.map((place, i) => ({ place, value: values[i] ?? Number.NaN })),
          { x: 'place', y: 'value', stroke: colour, strokeWidth: 2 },
        ),
      ),
    ],
    options: {
      x: { label: across },
      y: log
        ? { label: upwards, type: 'log', axis: null }
        : { label: upwards, grid: true, ...domainOf(low, high) },
    },
  })
  const caption = html`<b>${title}.</b> ${note} ${log ? 'Logarithmic.' : ''}`
  return framed(id, drawing, caption, curves.length > 1 ? curves : [])
}

/** An axis that does not blow rounding up to the height of the figure. */
function domainOf(low: number, high: number) {
  const least = 1e-4 * Math.max(Math.abs(low), Math.abs(high))
  if (!(high - low < least)) return { nice: true }
  const middle = (low + high) / 2
  const half = Math.abs(middle) / 10 || 1
  return { domain: [middle - half, middle + half] }
}

function inWords({ name, at, values }: Curve): string {
  const text = (i: number) =>
    values[i] === null || values[i] === undefined ? 'no number' : figure(values[i])
  const middle = Math.floor(at.length / 2)
  const places = [0, middle, at.length - 1].map((i) => `${text(i)} at ${figure(at[i]!)}`)
  return `${name === '' ? '' : `${name}: `}${places.join(', ')}.`
}
