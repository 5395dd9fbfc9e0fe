import { mkdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'

import { SosError } from './errors.js'

/**
 * Creates a folder, with the folders above it, unless it exists.
 *
 * @throws `ERR_OUTPUT` when it cannot be created
 */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw notMade(folder, cause)
  })
}

/** {@link makeFolder}, synchronously. */
export function makeFolderSync(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw notMade(folder, cause as Error)
  }
}

function notMade(folder: string, cause: NodeJS.ErrnoException): SosError {
  const reasons: Record<string, string> = {
    EEXIST: 'there is a file at this path; name another folder',
    ENOTDIR: 'a part of its path is a file; name another folder',
  }
  const reason = reasons[cause.code ?? ''] ?? cause.message
  return new SosError('ERR_OUTPUT', `${folder}: the folder cannot be created: ${reason}`, { cause })
}
