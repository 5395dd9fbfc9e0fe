import { colourOf, type Entry, framed } from '../framed.js'
import { type Html, html } from '../html.js'
import { count, plusMinus } from '../numbers.js'
import type { Draughtsman } from '../svg.js'
import type { SharpnessRecord } from './record.js'
import { matrixOf, seriesOf } from './series.js'

/** The most layers that a figure shows. */
const mostLayers = 24

interface Bar {
  readonly path: string
  readonly value: number
  readonly low: number
  readonly high: number
  readonly colour: string
  readonly text: string
}

/** The trace by layer of each model, and the paired differences, with intervals of 95 %. Empty if the record has none. */
export function layerFigures(record: SharpnessRecord, hand: Draughtsman): Html[] {
  const { symbol } = matrixOf(record)
  const series = seriesOf(record).flatMap(({ of: { trace }, ...entry }) =>
    trace?.byLayer === undefined ? [] : [{ ...entry, layers: trace.byLayer }],
  )
  if (series.length === 0) return []
  const shown = largestOf(series.map(({ layers }) => layers))
  const traces = layerFigure(hand, {
    id: 'layers',
    title: `tr(${symbol}) by layer`,
    series,
    shown,
    more: '',
  })
  const differences = record.difference?.trace?.byLayer
  if (differences === undefined) return [traces]
  const entry = { name: 'paired difference', colour: colourOf(2) }
  const changes = layerFigure(hand, {
    id: 'layer-differences',
    title: `Change of tr(${symbol}) by layer`,
    series: [{ ...entry, layers: differences }],
    shown: largestOf([differences]),
    more: 'The second model less the first, on the same images.',
  })
  return [traces, changes]
}

type Layers = readonly { path: string; value: number; standardError: number | null }[]

interface LayerFigure {
  id: string
  title: string
  series: readonly (Entry & { layers: Layers })[]
  shown: { paths: string[]; all: number }
  more: string
}

/** The paths of the layers with the largest values of any model, in the order of the network. */
function largestOf(series: readonly Layers[]): LayerFigure['shown'] {
  const sizes = new Map<string, number>()
  for (const { path, value } of series.flat()) {
    sizes.set(path, Math.max(sizes.get(path) ?? 0, Math.abs(value)))
  }
  const largest = [...sizes].toSorted(([, a], [, b]) => b - a).slice(0, mostLayers)
  const kept = new Set(largest.map(([path]) => path))
  return { paths: [...sizes.keys()].filter((path) => kept.has(path)), all: sizes.size }
}

function layerFigure({ plot, draw }: Draughtsman, given: LayerFigure): Html {
  const { id, title, series, shown, more } = given
  const bars = series.map(({ layers, colour, name }) =>
    layers
      .filter(({ path }) => shown.paths.includes(path))
      .map(({ path, value, standardError }): Bar => {
        const reach = 1.96 * (standardError ?? 0)
        return {
          ...{ path, value, colour, low: value - reach, high: value + reach },
          text: `${name}, ${path}: ${plusMinus(value, standardError ?? 0)}`,
        }
      }),
  )
  const thickness = 16 / series.length
  const longest = Math.max(...shown.paths.map((path) => path.length))
  const place = (i: number) => 20 * ((i + 0.5) / series.length - 0.5)
  const leader = bars[0]!.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))[0]
  const lead = leader === undefined ? '' : `The largest is ${leader.text}.`
  const drawing = draw({
    alt: `${title}, with 95 % intervals. ${lead}`,
    marks: [
      ...bars.flatMap((own, i) => [
        plot.link(own, {
          ...{ x1: 0, x2: 'value', y1: 'path', y2: 'path', dy: place(i) },
          ...{ stroke: 'colour', strokeOpacity: 0.45, strokeWidth: thickness },
          ...{ strokeLinecap: 'butt', title: 'text' },
        }),
        plot.link(own, {
          ...{ x1: 'low', x2: 'high', y1: 'path', y2: 'path', dy: place(i) },
          ...{ stroke: 'colour', strokeWidth: 1.5 },
        }),
        plot.dot(own, { x: 'value', y: 'path', dy: place(i), r: 2.5, fill: 'colour', title: 'text' }),
      ]),
      plot.ruleX([0], { stroke: 'currentColor' }),
    ],
    options: {
      marginLeft: Math.min(200, 24 + 7 * longest),
      height: 70 + 24 * shown.paths.length,
      x: { label: title, grid: true, nice: true },
      y: {
        ...{ type: 'point', label: null, domain: shown.paths, padding: 0.6 },
        tickFormat: (path: string) => (path.length > 24 ? `…${path.slice(-23)}` : path),
      },
    },
  })
  const rest =
    shown.all > shown.paths.length
      ? `The ${shown.paths.length} largest of ${count(shown.all, 'layer')}, in the order of the network.`
      : ''
  const caption = html`<b>${title}.</b> ${more} Lines are 95 % intervals over the images. ${rest} ${lead}`
  return framed(id, drawing, caption, series)
}
