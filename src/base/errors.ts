/**
 * The class of every error that this package throws. A program can rely on `code`. The message says what was expected, what was received, and what
 * to do.
 *
 * @example
 * const error = await ScriptModule.load('missing.pt').catch((error) => error)
 * console.log(error instanceof SosError, error.code)
 * // → true ERR_FILE_NOT_FOUND
 */
export class SosError extends Error {
  /** A code such as `ERR_SHAPE`. docs/errors.md lists all codes. */
  readonly code: string

  /**
   * Makes an error.
   *
   * @param code a code that does not change between versions
   * @param message what was expected, what was received, and what to do
   * @param options the `cause`, as for JavaScript's errors
   */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SosError'
    this.code = code
  }
}

/** The error that `JSON.stringify` throws for an object that cannot be written as JSON. `instead` says what to use. */
export function notSerializable(what: string, instead: string): SosError {
  return new SosError('ERR_NOT_SERIALIZABLE', `expected plain data for JSON but received ${what}: ${instead}`)
}

/** A text as messages show it: only the beginning if it is long. */
export function clipped(text: string, length = 80): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}

/** Longer names are not typing errors, and computing an edit distance takes time that grows as the product of the lengths. */
const longestName = 200
const mostCandidates = 20_000

/** The candidates, at most three, that are nearest to a name by edit distance. For messages that suggest another name. */
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
