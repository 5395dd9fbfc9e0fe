import { rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { getSystemErrorMap } from 'node:util'

import { SosError } from './errors.js'
import { temporaryFolder } from './temporary-folder.js'

/**
 * Has `write` write a file beside `path`, then renames it: at `path` there is the whole new file, or what was there
 * before. `write` is called before this returns: what it submits to the lane has its place there, and its memory, from the
 * moment of the call.
 *
 * @throws `ERR_OUTPUT` that names `path` where the folder or the file cannot be written, and what else `write` throws
 */
export async function writeAtomically(
  path: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  await beside(path, async (written, target) => {
    await write(written)
    await rename(written, target)
  })
}

/**
 * Whether a file can be written at `path`, tried by writing one beside it: to be found out before the work whose result it is to
 * hold. A disk that is nearly full, or becomes so meanwhile, is not told by it.
 *
 * @throws `ERR_OUTPUT`
 */
export async function expectWritable(path: string): Promise<void> {
  await beside(path, async (written, target) => {
    const there = await stat(target).catch(() => null)
    if (there?.isDirectory()) throw new SosError('ERR_OUTPUT', 'a folder is there')
    await writeFile(written, Buffer.alloc(4096))
  })
}

/** Runs `body` with the path of a file to be made in a folder of its own beside `path`. */
async function beside(path: string, body: (written: string, target: string) => Promise<void>): Promise<void> {
  const target = resolve(path)
  let own = ''
  try {
    await using folder = temporaryFolder(join(dirname(target), `.${basename(target)}.`))
    own = folder.path
    await body(join(own, basename(target)), target)
  } catch (cause) {
    const system = typeof (cause as NodeJS.ErrnoException).errno === 'number'
    if (!system && (cause as NodeJS.ErrnoException).code !== 'ERR_OUTPUT') throw cause
    const reason = reasonOf(cause as NodeJS.ErrnoException, own, target)
    throw new SosError('ERR_OUTPUT', `${path}: cannot be written: ${reason}`, { cause })
  }
}

/** Why, without the names of temporary files. */
function reasonOf({ errno, message }: NodeJS.ErrnoException, own: string, target: string): string {
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)
  if (known?.[0] === 'ENOENT') return 'its folder does not exist'
  if (known !== undefined) return `${known[0]}: ${known[1]}`
  if (own === '') return message
  const named = message.replaceAll(join(own, basename(target)), target).replaceAll(own, dirname(target))
  return named.replace(`${target}: cannot be written: `, '')
}
