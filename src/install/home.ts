import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

import { packageVersion } from './package.js'

/**
 * The folder in which set-up keeps PyTorch and the addons: `SOS_HOME`, otherwise `optimum-shifting` in the user's folder for caches
 * (XDG_CACHE_HOME, which must be absolute by its specification, or `~/.cache`).
 */
export function homeFolder(): string {
  const { SOS_HOME, XDG_CACHE_HOME = '' } = process.env
  if (SOS_HOME) return resolve(SOS_HOME)
  return join(isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'optimum-shifting')
}

/** The folder in `homeFolder()` for this version of the package on this kind of machine. */
export function installationFolder(): string {
  return join(homeFolder(), `${packageVersion}-${process.platform}-${process.arch}`)
}
