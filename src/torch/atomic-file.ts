import { mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

import { SosError } from './errors.js'

/**
 * Has `write` write a file beside `path`, then renames it: at `path` there is the whole new file, or what was there
 * before.
 *
 * @throws `ERR_OUTPUT` where the folder or the file cannot be written, and what `write` throws
 */
export async function writeAtomically(
  path: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path)
  const failed = (cause: unknown): SosError =>
    new SosError('ERR_OUTPUT', `${path}: cannot be written: ${(cause as Error).message}`, { cause })
  const folder = await mkdtemp(join(dirname(target), `.${basename(target)}.`)).catch((cause) => {
    throw failed(cause)
  })
  try {
    const written = join(folder, basename(target))
    await write(written)
    await rename(written, target).catch((cause) => {
      throw failed(cause)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
