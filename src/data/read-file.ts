import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { expectText, SosError } from '../base/index.js'

/** Texts that describe a dataset, in bytes: labels of a million images take some 50 MB. */
const largestText = 2 ** 27

/**
 * The bytes of a file that belongs to a dataset; null where there is no such file.
 *
 * @param largest the most bytes that it may have, known before any is read
 * @throws `ERR_DATASET` where it is larger, no plain file (a pipe would never end), or cannot be read
 */
export async function readFileUpTo(path: string, largest: number): Promise<Buffer | null> {
  expectText('path', path)
  try {
    // Without O_NONBLOCK, to open a pipe waits for its other end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = await file.stat()
    if (!status.isFile()) throw new Error('this is no file')
    if (status.size > largest)
      throw new Error(`expected at most ${largest} bytes but the file has ${status.size}`)
    return await file.readFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SosError('ERR_DATASET', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * The lines of a text file, trimmed, without the empty ones at its end; null where there is no such file.
 *
 * @throws `ERR_DATASET` where it is not UTF-8, too large, or cannot be read
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
    throw new SosError('ERR_DATASET', `${path}: expected a text in UTF-8 but its bytes are none`, { cause })
  }
}
