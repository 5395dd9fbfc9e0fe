/**
 * Whether a dotted path is one that a glob means: `*` and `?` within a name, `**` across the dots, at least one character long. In a time that
 * grows with the product of both lengths: as a regular expression, several stars on a long path would take for ever.
 */
export function matchesGlob(glob: string, path: string): boolean {
  // Where in the path what was matched of the glob may end.
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
