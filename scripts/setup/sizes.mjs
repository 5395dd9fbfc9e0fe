import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The bytes of the files in a folder. Files that vanish meanwhile do not count; links are not followed. */
export function folderSize(path) {
  let bytes = 0
  const visit = (entry) => {
    const status = lstatSync(entry, { throwIfNoEntry: false })
    if (!status) return
    if (!status.isDirectory()) bytes += status.size
    else for (const name of namesIn(entry)) visit(join(entry, name))
  }
  visit(path)
  return bytes
}

/** A size for people, as in "1.9 GB", "191 MB" or "2 kB". */
export function shownSize(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.ceil(bytes / 1e3)} kB`
}

function namesIn(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
