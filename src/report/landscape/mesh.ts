import { framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { figure } from '../numbers.js'
import { type LandscapeDocument, type NamedSurface, shortName } from './document.js'
import type { Levels } from './levels.js'

const size = { width: 460, height: 370 }
/** Where the middle of the ground is, and the lengths of its half-axes on the page. */
const middle = { u: 264, v: 266 }
const along = { u: 88, v: 44 }
/** How far the highest loss is above the ground. */
const rise = 165
/** More lines than this make a surface black. */
const mostLines = 33

type Point = readonly [u: number, v: number]

/** The loss of a model as a surface over the plane, in parallel projection. */
export function meshFigure(
  { x, y }: LandscapeDocument,
  surface: NamedSurface,
  levels: Levels,
  id: string,
): Html {
  const columns = thinned(x.length)
  const rows = thinned(y.length)
  const range = Math.max(...x)
  const lossAt = (i: number, j: number) => surface.loss[i]![j]!
  const pointAt = (i: number, j: number) =>
    projected(x[j]! / range, y[i]! / range, levels.height(lossAt(i, j)))
  const patches: { depth: number; markup: Html }[] = []
  for (let a = 0; a + 1 < rows.length; a++) {
    for (let b = 0; b + 1 < columns.length; b++) {
      const corners = [
        [rows[a]!, columns[b]!],
        [rows[a]!, columns[b + 1]!],
        [rows[a + 1]!, columns[b + 1]!],
        [rows[a + 1]!, columns[b]!],
      ] as const
      const bands = corners.map(([i, j]) => levels.band(lossAt(i, j)))
      const colour = levels.colours[Math.round(bands.reduce((sum, band) => sum + band, 0) / 4)]!
      const points = corners.map(([i, j]) => pointAt(i, j))
      // Seen from the corner where x is largest and y is smallest: what is far is drawn first.
      const depth = b - a
      patches.push({ depth, markup: html`<path d="${pathOf(points)}Z" style="fill: ${colour}"/>` })
    }
  }
  patches.sort((one, other) => one.depth - other.depth)
  const alt = `The loss of ${shortName(surface.model)} as a surface over the plane, from ${figure(levels.low)} at the bottom to ${figure(levels.high)} at the top${levels.low > 0 ? ', on a logarithmic scale' : ''}.`
  const drawing = html`<svg role="img" aria-label="${alt}" class="plot" viewBox="0 0 ${size.width} ${size.height}" font-size="13" font-family="system-ui, sans-serif" fill="currentColor">
${ground(range)}
<g stroke="var(--ink)" stroke-width="0.4" stroke-linejoin="round">${patches.map(({ markup }) => markup)}</g>
${scale(levels)}
</svg>`
  const caption = html`<b>${shortName(surface.model)}.</b> The same loss as a surface${levels.low > 0 ? ', on a logarithmic scale' : ''}, in the
    colours of the map.`
  return framed(id, drawing, caption, [])
}

/** A point above the ground, from coordinates between −1 and 1 and a height between 0 and 1. */
function projected(x: number, y: number, height: number): Point {
  return [middle.u + along.u * (x + y), middle.v + along.v * (x - y) - rise * height]
}

/** The square below the surface, with the names of its axes. */
function ground(range: number): Html {
  const corners = [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ] as const
  const square = pathOf(corners.map(([x, y]) => projected(x, y, 0)))
  const label = (x: number, y: number, text: string, anchor: string) => {
    const [u, v] = projected(x, y, 0)
    return html`<text x="${round(u)}" y="${round(v)}" text-anchor="${anchor}">${text}</text>`
  }
  return html`<path d="${square}Z" fill="none" stroke="var(--line)"/>
${label(-0.8, -1.3, figure(-range), 'end')}${label(0, -1.3, 'x', 'end')}${label(0.9, -1.3, figure(range), 'end')}
${label(1.2, -0.95, figure(-range), 'start')}${label(1.25, 0, 'y', 'start')}${label(1.2, 0.9, figure(range), 'start')}`
}

/** The scale of the loss, at the left corner. */
function scale({ thresholds, height, low, high }: Levels): Html {
  const [u, v] = projected(-1, -1, 0)
  const marks = [low, ...thresholds, high].map((loss) => ({ loss, at: v - rise * height(loss) }))
  // Those at the ends are always named; one in between only if there is room.
  const shown = marks.filter(
    ({ at }, i) =>
      i === 0 || i === marks.length - 1 || (marks[0]!.at - at > 14 && at - marks.at(-1)!.at > 14),
  )
  const spaced: typeof marks = []
  for (const mark of shown) {
    const before = spaced.at(-1)
    if (before === undefined || before.at - mark.at >= 14 || mark === shown.at(-1)) spaced.push(mark)
  }
  return html`<path d="M${round(u - 8)},${round(v)}V${round(v - rise)}" stroke="currentColor" fill="none"/>
<text x="${round(u - 8)}" y="${round(v - rise - 14)}" text-anchor="middle">loss</text>
${spaced.map(({ loss, at }) => html`<path d="M${round(u - 12)},${round(at)}h4" stroke="currentColor"/><text x="${round(u - 15)}" y="${round(at + 4)}" text-anchor="end">${figure(loss, 3)}</text>`)}`
}

/** All indices, or evenly spread ones with both ends. */
function thinned(count: number): number[] {
  const lines = Math.min(count, mostLines)
  return Array.from({ length: lines }, (_, i) => Math.round((i * (count - 1)) / (lines - 1)))
}

const pathOf = (points: readonly Point[]): string =>
  `M${points.map(([u, v]) => `${round(u)},${round(v)}`).join('L')}`

const round = (value: number): number => Math.round(10 * value) / 10
