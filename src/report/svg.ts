import type { Markish, PlotOptions } from '@observablehq/plot'

import { Html, html } from './html.js'

/** Observable Plot, which is loaded when the first figure is drawn. */
export type Plot = typeof import('@observablehq/plot')

/** A figure to be drawn. */
export interface Figure {
  /** The text for a person who does not see the figure. */
  alt: string
  marks: Markish[]
  options: PlotOptions
}

/** Draws figures as SVG without a browser, by Observable Plot on a document of linkedom. */
export interface Draughtsman {
  readonly plot: Plot
  draw(figure: Figure): Html
}

/** Loads what draws figures. */
export async function draughtsman(): Promise<Draughtsman> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  return {
    plot,
    draw({ alt, marks, options }) {
      const svg = plot.plot({
        width: 460,
        height: 320,
        marginLeft: 60,
        marginBottom: 44,
        className: 'plot',
        style: { fontSize: '13px' },
        ...options,
        marks,
        document,
      })
      // linkedom does not escape & in an attribute, and the text contains names from outside.
      const start = html`<svg role="img" aria-label="${alt}"`.toString()
      return new Html(svg.outerHTML.replace('<svg', () => start))
    },
  }
}

/** Ticks for a logarithmic axis: 1, 2 and 5 of each decade, or the decades alone if there are more than three. */
export function logTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const decades: number[] = []
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) decades.push(e)
  const steps = decades.length > 3 ? [1] : [1, 2, 5]
  const ticks = decades.flatMap((e) => steps.map((step) => Number(`${step}e${e}`)))
  return ticks.filter((tick) => tick >= low && tick <= high)
}
