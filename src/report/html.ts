/** Markup that can be put into a page unchanged. */
export class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

/** What a template of {@link html} takes. */
export type HtmlValue = Html | string | number | readonly HtmlValue[]

/**
 * A template whose values are escaped, unless they are {@link Html}, because names of models and datasets come from outside.
 * So html`<td>${'a < b'}</td>` is <td>a &lt; b</td>.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(parts.reduce((markup, part, i) => markup + markupOf(values[i - 1]!) + part))
}

function markupOf(value: HtmlValue): string {
  if (value instanceof Html) return value.toString()
  if (Array.isArray(value)) return value.map(markupOf).join('')
  return escapeHtml(String(value))
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** The text with the characters escaped that mean something in HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}
