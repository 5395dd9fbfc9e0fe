import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { expectText, SosError } from '../base/index.js'

/** The largest text that describes a dataset, in bytes. The labels of a million images take some 50 MB. */
const largestText = 2 ** 27

/**
 * Reads a file that belongs to a dataset.
 *
 * @param largest the largest number of bytes; it is checked before the file is read
 * @returns null if there is no such file
 * @throws `ERR_DATASET` if the file is larger, is not a plain file (a pipe would never end), or cannot be read
 */
export async function readFileUpTo(path: string, largest: number): Promise<Buffer | null> {
  expectText('path', path)
  try {
    // Without O_NONBLOCK, opening a pipe would wait for its other end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = await file.stat()
    if (!status.isFile()) throw new Error('this is not a file')
    if (status.size > largest)
      throw new Error(`expected at most ${largest} bytes but the file has ${status.size}`)
    return await file.readFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SosError('ERR_DATASET', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Reads the lines of a text file, trimmed, without empty lines at the end.
 *
 * @returns null if there is no such file
 * @throws `ERR_DATASET` if the file is not UTF-8, is too large, or cannot be read
 */
export async function readLines(path: string): Promise<string[] | null> {
  const bytes = await readFileUpTo(path, largestText)
  if (bytes === null) return null
  const lines = textOf(path, bytes)
    .split(/\r\n?|\n/)
    .map((line) => line.trim())
  while (lines.at(-1) === '') lines.pop()
  return lines
}

function textOf(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new SosError('ERR_DATASET', `${path}: expected a text in UTF-8 but the bytes are something else`, {
      cause,
    })
  }
}
