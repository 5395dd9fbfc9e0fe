/**
 * The first key that occurs twice in an object of a JSON text, if any. JSON.parse accepts such texts, but two readers may use different values.
 *
 * @param text valid JSON
 */
export function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = []
  let last = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      last = text.slice(start, i + 1)
    } else if (character === '{') {
      open.push(new Set())
    } else if (character === '}') {
      open.pop()
    } else if (character === ':') {
      const key = JSON.parse(last) as string
      if (open.at(-1)!.has(key)) return key
      open.at(-1)!.add(key)
    }
  }
  return undefined
}
