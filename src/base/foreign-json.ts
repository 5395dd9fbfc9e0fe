/** This package's documents are less deep, and the stack of V8 suffices to write or compare a value of this depth. */
const deepest = 100

/**
 * Parses JSON from a file. It refuses texts that are nested deeper than 100 levels: JSON.parse reads any depth, but code that walks through the
 * value afterwards would exhaust the stack.
 *
 * @throws SyntaxError for invalid JSON and for deep nesting
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
