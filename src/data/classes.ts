import { join } from 'node:path'
import { SosError } from '../base/index.js'

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

/**
 * The class names in a file, one a line, without the spaces around them. Two may be the same, as ImageNet's two cranes: what
 * looks a class up by such a name refuses it.
 *
 * @param path of a text file in UTF-8
 * @throws `ERR_DATASET`
 */
export async function classNames(path: string): Promise<string[]> {
  const names = await readNames(path)
  if (names !== null) return names
  throw new SosError('ERR_DATASET', `${path}: expected a file with a class name a line but there is none`)
}

/** {@link classNames}; null where there is no such file. */
export async function readNames(path: string): Promise<string[] | null> {
  const names = await readLines(path)
  if (names === null) return null
  const empty = names.indexOf('')
  if (names.length > 0 && empty < 0) return names
  throw new SosError('ERR_DATASET', `${path}: line ${empty + 1 || 1} is empty; expected one class a line`)
}
