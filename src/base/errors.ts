/** What this package throws, the addon too: an error that a program can act on. `code` is stable, the message says what was expected, what came, what to do. */
export class SosError extends Error {
  /** As `ERR_SHAPE`; docs/errors.md lists them. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SosError'
    this.code = code
  }
}

/** What `JSON.stringify` is told of an object whose native side has no JSON. */
export function notSerializable(what: string, instead: string): SosError {
  return new SosError('ERR_NOT_SERIALIZABLE', `expected plain data for JSON but received ${what}: ${instead}`)
}

/** A text that a file holds, for messages: its beginning where it is long. */
export function clipped(text: string, length = 80): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}

/** Names that are longer are no mistyped ones; and the edit distance takes their lengths' product. */
const longestName = 200
const mostCandidates = 20_000

/** Up to three of `candidates` that are nearest to `name` by edit distance, for messages that suggest. */
export function nearest(name: string, candidates: Iterable<string>): string[] {
  if (typeof name !== 'string' || name.length > longestName) return []
  const found: { candidate: string; distance: number }[] = []
  let tried = 0
  for (const candidate of candidates) {
    if (++tried > mostCandidates) break
    const most = Math.max(2, candidate.length / 2)
    if (Math.abs(candidate.length - name.length) > most || candidate.length > longestName) continue
    const distance = editDistance(name, candidate)
    if (distance <= most) found.push({ candidate, distance })
  }
  found.sort((a, b) => a.distance - b.distance)
  return found.slice(0, 3).map(({ candidate }) => candidate)
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
