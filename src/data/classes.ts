import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { SosError } from '../torch/errors.js'

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
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SosError('ERR_DATASET', `${path}: ${(error as Error).message}`, { cause: error })
  }
  const names = text.split(/\r?\n/).map((line) => line.trim())
  while (names.at(-1) === '') names.pop()
  const empty = names.indexOf('')
  if (empty >= 0)
    throw new SosError('ERR_DATASET', `${path}: line ${empty + 1} is empty; expected one class a line`)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined)
    throw new SosError('ERR_DATASET', `${path}: the class '${twice}' stands there twice`)
  return names
}
