import { accessSync, constants } from 'node:fs'
import { SetupFailure } from './failure.mjs'

/** With these in a path, CMake, the linker or PATH takes it for something else: a list, a pattern, or an option's end. */
const REFUSED = /[;"\\,*?|[\]:\p{Cc}]/u

/**
 * Refuses paths with which the addon cannot be built. Spaces, quotes such as ', and letters of all languages are fine.
 *
 * @param {Record<string, string | undefined>} paths what each is, and the path
 */
export function refuseUnusablePaths(paths) {
  for (const [what, path] of Object.entries(paths)) {
    const [character] = REFUSED.exec(path ?? '') ?? []
    if (character === undefined) continue
    throw new SetupFailure(
      `the addon cannot be built with the character ${JSON.stringify(character)} in the path of ${what}, ${JSON.stringify(path)}, ` +
        'because CMake or the linker gives it a meaning. Rename the folder, or use another one.',
    )
  }
}

/** Throws the error of the system if a folder cannot be written. */
export function expectWritable(folders) {
  for (const folder of folders) accessSync(folder, constants.W_OK)
}

/** Says of an error of the system that a folder cannot be written. Other errors are returned as they are. */
export function explainUnwritable(error) {
  const reason = {
    EACCES: 'this user may not',
    EPERM: 'this user may not',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EDQUOT: "this user's quota is used up",
  }[error.code]
  if (reason === undefined || error.path === undefined) return error
  return new SetupFailure(
    `${error.path} cannot be written: ${reason}. Make room or change the permissions, or use a copy in a folder of yours.`,
  )
}
