import { Html, html } from './html.js'
import { pageStyle } from './page-style.js'

export interface Page {
  readonly title: string
  /** What the page is of, in pairs of a name and a value. */
  readonly facts: readonly (readonly [name: string, value: string])[]
  readonly main: Html
  readonly footer: string
}

/**
 * One HTML page that needs nothing else. It has no scripts and fetches nothing, which its content security policy enforces.
 */
export function page({ title, facts, main, footer }: Page): string {
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
<dl>
${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
</header>
<main>
${main}
</main>
<footer>${footer} Made by optimum-shifting; Zhou et al., “Improving Generalization of Deep Neural Networks by Optimum Shifting”.</footer>
</body>
</html>
`.toString()
}

/** Sentences as a list. */
export const findingsList = (sentences: readonly string[]): Html =>
  html`<ul class="findings">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>`
