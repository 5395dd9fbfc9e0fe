import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './context.mjs'
import { withLock } from './lock.mjs'
import { folderSize } from './sizes.mjs'

/** What set-up makes in its folder: PyTorch, CMake, pip's downloads, and a folder for each version of the package. */
const OURS = /^(torch|tools|pip-cache|\d+\.\d+\.\d+\S*-(linux|darwin)-\w+)$/

/** The folders that set-up has made, with their sizes in bytes. */
export function installations(home) {
  const names = existsSync(home) ? readdirSync(home).filter((name) => OURS.test(name)) : []
  return names.sort().map((name) => ({ path: join(home, name), bytes: folderSize(join(home, name)) }))
}

/**
 * Deletes what set-up has made, of all versions of the package. Other files in the folder stay.
 *
 * @returns {Promise<{ path: string, bytes: number }[]>} what was deleted
 */
export async function removeInstallations(home) {
  if (!existsSync(home)) return []
  return withLock(home, say, () => {
    const found = installations(home)
    for (const { path } of found) rmSync(path, { recursive: true, force: true })
    return found
  })
}
