import { type Html, html } from './html.js'

/** A line of a figure's key. */
export interface Entry {
  readonly name: string
  readonly colour: string
  /** Drawn dashed, as the lines of controls are. */
  readonly control?: boolean
}

export const beforeEntry: Entry = { name: 'before', colour: 'var(--before)' }

/** A colour of the page's style sheet for the i-th line of a figure; they come round again after eight. */
export const colourOf = (i: number): string => `var(--series-${(i % 8) + 1})`

/** A drawing with its key, which the caption and the alternative text do without, and its caption. */
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
