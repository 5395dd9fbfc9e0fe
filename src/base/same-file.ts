import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'

import { SosError } from './errors.js'

/**
 * Refuses to write to a file that is read, whatever its names: by links, hard links, relative paths, or in another case where the file
 * system takes them for the same. A folder that is read stands for what is in it.
 *
 * @param output need not be there
 * @param inputs those that are not there are no one's
 * @throws `ERR_SAME_FILE`
 */
export function expectOtherFile(output: string, inputs: readonly string[]): void {
  const target = known(output)
  if (target === null) return
  for (const input of inputs) {
    const source = known(input)
    if (source === null || !(alike(target, source) || isWithin(target.path, source))) continue
    throw new SosError(
      'ERR_SAME_FILE',
      `${output}: expected another file than those that are read but it is ${alike(target, source) ? input : `one in ${input}`}, which would be overwritten; name another`,
    )
  }
}

interface Known {
  readonly path: string
  readonly stats: Stats
}

function known(path: string): Known | null {
  try {
    return { path: realpathSync(resolve(path)), stats: statSync(path) }
  } catch {
    return null
  }
}

function alike(a: Known, b: Known): boolean {
  return (
    a.path === b.path || (a.stats.dev === b.stats.dev && a.stats.ino === b.stats.ino && a.stats.ino !== 0)
  )
}

/** By the folders above, so that another case of their names is the same too. */
function isWithin(path: string, folder: Known): boolean {
  if (!folder.stats.isDirectory()) return false
  const inside = relative(folder.path, path)
  if (!inside.startsWith('..') && !isAbsolute(inside)) return true
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    const above = known(at)
    if (above !== null && alike(above, folder)) return true
  }
  return false
}
