/**
 * Whether a glob matches a dotted path: `*` and `?` match within a name, `**` matches one or more characters, also dots.
 *
 * The time grows with the product of both lengths. A regular expression with several stars would take exponential time on a long path.
 */
export function matchesGlob(glob: string, path: string): boolean {
  // ends[i] is 1 when the tokens so far match the first i characters of the path.
  let ends = new Uint8Array(path.length + 1)
  ends[0] = 1
  for (const token of glob.match(/\*\*|[\s\S]/g) ?? []) {
    const next = new Uint8Array(path.length + 1)
    let running = 0
    for (let i = 0; i <= path.length; i++) {
      if (token === '**') {
        next[i] = running
        running |= ends[i]!
      } else if (token === '*') {
        running |= ends[i]!
        next[i] = running
        if (path[i] === '.') running = 0
      } else if (i < path.length && ends[i] === 1) {
        next[i + 1] = Number(token === '?' ? path[i] !== '.' : path[i] === token)
      }
    }
    ends = next
  }
  return ends[path.length] === 1
}
