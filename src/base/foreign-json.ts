/** Deeper than any document of ours, and far from where V8's stack ends when it is written again or compared. */
const deepest = 100

/**
 * Parses JSON that comes from a file. It is refused where it is nested deeper than 100 levels: JSON.parse reads any depth, but what goes
 * through the value afterwards would exhaust the stack.
 *
 * @throws SyntaxError
 */
export function parseForeignJson(text: string): unknown {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (character === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++
    } else if (character === 0x5b || character === 0x7b) {
      if (++depth > deepest) throw new SyntaxError(`it is nested deeper than ${deepest} levels`)
    } else if (character === 0x5d || character === 0x7d) {
      depth--
    }
  }
  return JSON.parse(text)
}
