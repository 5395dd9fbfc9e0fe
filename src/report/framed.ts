import { type Html, html } from './html.js'

/** An entry in the key of a figure. */
export interface Entry {
  readonly name: string
  readonly colour: string
  /** Whether its line is dashed, as the lines of controls are. Default: false. */
  readonly control?: boolean
}

export const beforeEntry: Entry = { name: 'before', colour: 'var(--before)' }

/** The colour of the i-th line of a figure, from the page's style sheet; there are eight. */
export const colourOf = (i: number): string => `var(--series-${(i % 8) + 1})`

/** The colour of the i-th of `count` batch sizes: one hue from light to dark, so that it does not look like that of a variant. */
export const sizeColourOf = (i: number, count: number): string =>
  `color-mix(in oklab, var(--size) ${Math.round(50 + (50 * (i + 1)) / count)}%, var(--panel))`

/** A drawing with its key and its caption. The caption and the alternative text can be understood without the key. */
export function framed(id: string, drawing: Html, caption: Html, entries: readonly Entry[]): Html {
  const key = entries.map(
    ({ name, colour, control }) =>
      html`<li><span class="${control ? 'swatch control' : 'swatch'}" style="--colour: ${colour}"></span>${name}</li>`,
  )
  return html`<figure id="${id}">
${drawing}
<ul class="key" aria-hidden="true">${key}</ul>
<figcaption>${caption}</figcaption>
</figure>
`
}
