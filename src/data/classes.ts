import { join } from 'node:path'

import { clipped, SosError } from '../torch/errors.js'
import { readLines } from './read-file.js'

/**
 * The class names in the order of their indices, one a line, from `classes.txt` in the first of `folders` that has one;
 * null where none has.
 */
export async function readClasses(...folders: string[]): Promise<string[] | null> {
  for (const folder of folders) {
    const names = await readNames(join(folder, 'classes.txt'))
    if (names !== null) return names
  }
  return null
}

/** The class names in the file at `path`, one a line; null where there is no such file. Throws `ERR_DATASET`. */
export async function readNames(path: string): Promise<string[] | null> {
  const names = await readLines(path)
  if (names === null) return null
  const empty = names.indexOf('')
  if (empty >= 0)
    throw new SosError('ERR_DATASET', `${path}: line ${empty + 1} is empty; expected one class a line`)
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name))
      throw new SosError('ERR_DATASET', `${path}: the class '${clipped(name)}' stands there twice`)
    seen.add(name)
  }
  return names
}
