import { type Entry, framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure } from '../numbers.js'
import type { Draughtsman } from '../svg.js'
import { type LandscapeDocument, type NamedSurface, shortName } from './document.js'
import { extent, type Levels } from './levels.js'

/** The loss of a model as a map with its key and its caption. */
export function contourFigure(
  landscape: LandscapeDocument,
  surface: NamedSurface,
  levels: Levels,
  hand: Draughtsman,
  id: string,
): Html {
  const { centre, model } = surface
  const caption = html`<b>${shortName(model)}.</b> The loss on the plane; the dot is the model itself, with a loss of
    ${centre.loss === null ? '–' : figure(centre.loss)}. All maps of this page have the same levels.`
  return framed(id, contourDrawing(landscape, surface, levels, hand), caption, entriesOf(levels))
}

/** The key of all maps with these levels. */
export function entriesOf({ names, colours }: Levels): Entry[] {
  return names.map((name, i) => ({ name, colour: colours[i]! }))
}

/** The loss of a model as a map: bands of colour, and where its weights are. */
export function contourDrawing(
  { x, y }: LandscapeDocument,
  surface: NamedSurface,
  levels: Levels,
  { plot, draw }: Draughtsman,
): Html {
  const [left, right] = [x[0]!, x.at(-1)!]
  const [bottom, top] = [y[0]!, y.at(-1)!]
  // A value stands for the middle of its pixel, so that the picture is half a pixel larger on each side.
  const [dx, dy] = [(right - left) / (x.length - 1) / 2, (top - bottom) / (y.length - 1) / 2]
  const { thresholds, colours, height } = levels
  // Heights between 0 and 1: lines are straight between points on the same scale as that of the bands.
  const heights = surface.loss.flat().map((loss) => (loss === null ? 2 : height(loss)))
  const bands = thresholds.map(height)
  return draw({
    alt: inWords(surface),
    marks: [
      plot.frame({ fill: colours[0]!, stroke: null }),
      plot.contour(heights, {
        width: x.length,
        height: y.length,
        x1: left - dx,
        x2: right + dx,
        y1: bottom - dy,
        y2: top + dy,
        interpolate: 'none',
        value: (value: number) => value,
        fill: 'value',
        stroke: 'var(--panel)',
        strokeWidth: 0.6,
        thresholds: bands,
        clip: 'frame',
      } as never),
      plot.dot([[0, 0]], { r: 4, fill: 'var(--ink)', stroke: 'var(--panel)', strokeWidth: 1.5 }),
    ],
    options: {
      height: 460,
      marginTop: 36,
      x: { label: 'x, along the first direction', domain: [left, right] },
      y: { label: 'y, along the second direction', domain: [bottom, top] },
      color: { type: 'threshold', domain: bands, range: [...colours] } as never,
    },
  })
}

function inWords({ model, loss, centre }: NamedSurface): string {
  const range = extent(loss.flat())
  const corners = [loss[0]?.[0], loss[0]?.at(-1), loss.at(-1)?.[0], loss.at(-1)?.at(-1)]
  const text = (value: number | null | undefined) =>
    value === null || value === undefined ? 'no number' : figure(value)
  if (range === null) return `The loss of ${shortName(model)} is nowhere a finite number.`
  return `The loss of ${shortName(model)} on a plane through its weights: ${text(centre.loss)} at the weights, from ${text(range[0])} to ${text(range[1])} on the plane, ${corners.map(text).join(', ')} at its corners.`
}
