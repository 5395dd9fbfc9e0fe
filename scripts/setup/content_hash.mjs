import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A hash of values, and of the names and contents of files and folders under root. A missing file counts as missing. */
export function contentHash(root, paths, ...values) {
  const hash = createHash('sha256')
  for (const path of paths) addPath(hash, root, path)
  return hash.update(JSON.stringify(values)).digest('hex')
}

function addPath(hash, root, path) {
  const full = join(root, path)
  const status = statSync(full, { throwIfNoEntry: false })
  if (!status) {
    hash.update(`missing ${path}\0`)
  } else if (status.isDirectory()) {
    const names = readdirSync(full).filter((name) => !name.startsWith('.') && !name.endsWith('~'))
    for (const name of names.sort()) addPath(hash, root, `${path}/${name}`)
  } else {
    const content = readFileSync(full)
    hash.update(`file ${path} ${content.length}\0`).update(content)
  }
}
