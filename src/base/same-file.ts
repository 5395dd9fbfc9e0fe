import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'

import { SosError } from './errors.js'

/**
 * Refuses to write to a file that is also read, also under another name: through links, hard links, relative paths, or in another case if the file
 * system ignores case. A folder that is read includes all files in it.
 *
 * @param output the file to write, which need not exist
 * @param inputs the files and folders that are read; those that do not exist are ignored
 * @throws `ERR_SAME_FILE` when `output` is one of them
 */
export function expectOtherFile(output: string, inputs: readonly string[]): void {
  const target = identify(output)
  if (target === null) return
  for (const input of inputs) {
    const source = identify(input)
    if (source === null || !(isSameFile(target, source) || isWithin(target.path, source))) continue
    throw new SosError(
      'ERR_SAME_FILE',
      `${output}: expected an output that is not one of the inputs but this is ${isSameFile(target, source) ? input : `a file in ${input}`}, which would be overwritten; choose another name`,
    )
  }
}

interface ExistingFile {
  readonly path: string
  readonly stats: Stats
}

function identify(path: string): ExistingFile | null {
  try {
    return { path: realpathSync(resolve(path)), stats: statSync(path) }
  } catch {
    return null
  }
}

function isSameFile(a: ExistingFile, b: ExistingFile): boolean {
  return (
    a.path === b.path || (a.stats.dev === b.stats.dev && a.stats.ino === b.stats.ino && a.stats.ino !== 0)
  )
}

/** Whether a path is inside a folder. The folders above it are compared as files, so that another case of their names is noticed. */
function isWithin(path: string, folder: ExistingFile): boolean {
  if (!folder.stats.isDirectory()) return false
  const inside = relative(folder.path, path)
  if (!inside.startsWith('..') && !isAbsolute(inside)) return true
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    const above = identify(at)
    if (above !== null && isSameFile(above, folder)) return true
  }
  return false
}
