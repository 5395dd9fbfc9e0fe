import { Html, html } from './html.js'
import { pageStyle } from './page-style.js'
import type { Table } from './table.js'

/** The content of a page. */
export interface Page {
  readonly title: string
  /** What the page says, in sentences. They come first. */
  readonly findings: readonly string[]
  /** What the page is about, in pairs of a name and a value. */
  readonly facts: readonly (readonly [name: string, value: string])[]
  readonly main: Html
  readonly footer: string
}

/**
 * One HTML page that needs no other file. It has no scripts and fetches nothing; its content security policy enforces that.
 */
export function page({ title, findings, facts, main, footer }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${title}</title>
<style>${new Html(pageStyle)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
</header>
<main>
<ul class="findings">${findings.map((sentence) => html`<li>${unbroken(sentence)}</li>`)}</ul>
<details>
<summary>Settings</summary>
<dl>
${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
</details>
${main}
</main>
<footer>${footer} Made by optimum-shifting; Zhou et al., “Improving Generalization of Deep Neural Networks by Optimum Shifting”.</footer>
</body>
</html>
`.toString()
}

/** The text with no-break spaces within quantities, as in "5 %", "n = 3" and "1 ± 2". */
export const unbroken = (text: string): string =>
  text.replace(/(\d) %/g, '$1\u00a0%').replace(/ ([=±]) (?=[−+\d])/g, '\u00a0$1\u00a0')

/** A table with its caption. The table scrolls if the page is narrower; the caption does not. */
export function htmlTable({ caption, head, rows }: Table): Html {
  const kind = (i: number) => (head[i]!.words ? 'words' : 'number')
  const heads = head.map(({ text }, i) => html`<th scope="col" class="${kind(i)}">${text}</th>`)
  const cell = (text: string, i: number) =>
    i === 0
      ? html`<th scope="row" class="${kind(i)}">${text}</th>`
      : html`<td class="${kind(i)}">${text}</td>`
  return html`<figure class="table"><div class="scroll"><table>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>
<figcaption>${unbroken(caption)}</figcaption></figure>
`
}
