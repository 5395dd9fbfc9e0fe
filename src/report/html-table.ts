import { type Html, html } from './html.js'
import type { Table } from './table.js'

export function htmlTable({ caption, head, rows }: Table): Html {
  const kind = (i: number) => (head[i]!.words ? 'words' : 'number')
  const heads = head.map(({ text }, i) => html`<th scope="col" class="${kind(i)}">${text}</th>`)
  const cell = (text: string, i: number) =>
    i === 0
      ? html`<th scope="row" class="${kind(i)}">${text}</th>`
      : html`<td class="${kind(i)}">${text}</td>`
  return html`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>
`
}
