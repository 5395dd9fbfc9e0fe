import { rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { getSystemErrorMap } from 'node:util'

import { SosError } from './errors.js'
import { temporaryFolder } from './temporary-folder.js'

/**
 * Writes a file so that either the complete new file or what was there before is at the path: `write` writes a temporary file beside it, which is
 * then renamed.
 *
 * `write` is called before this function returns, so that work which it submits to the lane has its place in the queue, and holds its memory, from
 * the moment of the call.
 *
 * @param write writes the file at the path that it receives
 * @throws `ERR_OUTPUT`, which names `path`, when the folder or the file cannot be written; otherwise what `write` throws
 */
export async function writeAtomically(
  path: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  await withTemporaryFile(path, async (temporary, target) => {
    await write(temporary)
    await rename(temporary, target)
  })
}

/**
 * Checks that a file can be written at a path, by writing a small one beside it. Call it before long work whose result the file will hold. It does
 * not notice a disk that is nearly full.
 *
 * @throws `ERR_OUTPUT` when it cannot be written
 */
export async function expectWritable(path: string): Promise<void> {
  await withTemporaryFile(path, async (temporary, target) => {
    const existing = await stat(target).catch(() => null)
    if (existing?.isDirectory()) throw new SosError('ERR_OUTPUT', 'there is a folder at this path')
    await writeFile(temporary, Buffer.alloc(4096))
  })
}

/** Runs `body` with the path of a temporary file, in a temporary folder beside `path`, and with the absolute form of `path`. */
async function withTemporaryFile(
  path: string,
  body: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path)
  let temporaryPath = ''
  try {
    await using folder = temporaryFolder(join(dirname(target), `.${basename(target)}.`))
    temporaryPath = folder.path
    await body(join(temporaryPath, basename(target)), target)
  } catch (cause) {
    const system = typeof (cause as NodeJS.ErrnoException).errno === 'number'
    if (!system && (cause as NodeJS.ErrnoException).code !== 'ERR_OUTPUT') throw cause
    const reason = reasonOf(cause as NodeJS.ErrnoException, temporaryPath, target)
    throw new SosError('ERR_OUTPUT', `${path}: cannot be written: ${reason}`, { cause })
  }
}

/** The reason of a failure, without the names of temporary files. */
function reasonOf({ errno, message }: NodeJS.ErrnoException, folder: string, target: string): string {
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)
  if (known?.[0] === 'ENOENT') return 'its folder does not exist'
  if (known !== undefined) return `${known[0]}: ${known[1]}`
  if (folder === '') return message
  const named = message.replaceAll(join(folder, basename(target)), target).replaceAll(folder, dirname(target))
  return named.replace(`${target}: cannot be written: `, '')
}
