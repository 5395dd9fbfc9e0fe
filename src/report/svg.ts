import type { Markish, PlotOptions } from '@observablehq/plot'

import { Html, html } from './html.js'

/** What figures are drawn with: it is loaded when the first one is, not before. */
export type Plot = typeof import('@observablehq/plot')

export interface Figure {
  /** What a person who does not see the figure is told in its place. */
  alt: string
  marks: Markish[]
  options: PlotOptions
}

/** Draws figures as SVG without a browser: Observable Plot on linkedom's document. */
export interface Draughtsman {
  readonly plot: Plot
  draw(figure: Figure): Html
}

export async function draughtsman(): Promise<Draughtsman> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  return {
    plot,
    draw({ alt, marks, options }) {
      const svg = plot.plot({
        width: 460,
        height: 320,
        marginLeft: 52,
        marginBottom: 40,
        className: 'plot',
        ...options,
        marks,
        document,
      })
      // linkedom leaves & as it is in an attribute: the text comes from outside.
      const told = html`<svg role="img" aria-label="${alt}"`.toString()
      return new Html(svg.outerHTML.replace('<svg', () => told))
    },
  }
}
