import { join } from 'node:path'
import { SosError } from '../base/index.js'

import { readLines } from './read-file.js'

/**
 * The class names in `classes.txt`, one in each line, in the order of their indices. The first of `folders` that has such a file counts; null
 * if none of them has one.
 */
export async function readClasses(...folders: string[]): Promise<string[] | null> {
  for (const folder of folders) {
    const names = await readNames(join(folder, 'classes.txt'))
    if (names !== null) return names
  }
  return null
}

/**
 * Reads class names from a file with one name in each line. Spaces around a name are removed. Two classes may have the same name, as ImageNet's
 * two cranes do; functions that look a class up by its name refuse such a name.
 *
 * @param path the path of a text file in UTF-8
 * @returns the names, in the order of the lines
 * @throws `ERR_DATASET` if the file does not exist, is not UTF-8, is empty or has an empty line
 * @example
 * const names = await classNames('assets/fashion-mnist/classes.txt')
 * console.log(names.length, names[0]) // → 10 T-shirt/top
 */
export async function classNames(path: string): Promise<string[]> {
  const names = await readNames(path)
  if (names !== null) return names
  throw new SosError(
    'ERR_DATASET',
    `${path}: expected a file with one class name in each line but there is no such file`,
  )
}

/** Like {@link classNames}, but null if there is no such file. */
export async function readNames(path: string): Promise<string[] | null> {
  const names = await readLines(path)
  if (names === null) return null
  const empty = names.indexOf('')
  if (names.length > 0 && empty < 0) return names
  throw new SosError(
    'ERR_DATASET',
    `${path}: line ${empty + 1 || 1}: expected a class name but the line is empty`,
  )
}
