import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { SosError } from '../base/index.js'
import { installationFolder } from './home.js'
import { isCheckout, packageFolder, setupCommand } from './package.js'
import { findPrebuilt } from './prebuilt-addon.js'

/** The addon to load, and its libtorch. */
export interface Installation {
  /** The path of the addon. */
  addon: string
  /** `checkout`: built by `npm run setup`. `built`: compiled by `npx optimum-shifting setup`. `prebuilt`: from a package. */
  origin: 'checkout' | 'built' | 'prebuilt'
  /** The folder of libtorch, with `lib`. A checkout's addon knows where it is. */
  torchRoot: string | null
}

/** What set-up wrote into the installation's folder (scripts/setup/state.mjs). */
export interface InstallationRecord {
  torchRoot: string
  torchVersion: string
  variant: 'cpu' | 'cuda'
  /** Null if the addon comes from a package. */
  addon: string | null
}

/** What `npx optimum-shifting setup` has set up for this version of the package, or undefined. */
export function installationRecord(): InstallationRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(installationFolder(), 'setup.json'), 'utf8'))
    const isComplete = typeof record.torchRoot === 'string' && typeof record.torchVersion === 'string'
    return isComplete && record.addon !== undefined ? record : undefined
  } catch {
    return undefined // set-up has not been run or not finished
  }
}

/**
 * Finds the addon: a checkout's own, otherwise the one that `npx optimum-shifting setup` chose.
 *
 * @throws `ERR_ADDON_MISSING` if the package has not been set up, or if what was set up has gone
 */
export function findInstallation(): Installation {
  if (isCheckout) {
    const addon = join(packageFolder, 'build/native/Release/sos_native.node')
    if (!existsSync(addon)) throw missing(`the native addon at ${addon}, but it has not been built`)
    return { addon, origin: 'checkout', torchRoot: null }
  }
  const record = installationRecord()
  const folder = installationFolder()
  if (!record) throw missing(`the native addon in ${folder}, but the package has not been set up`)
  const { torchRoot, torchVersion } = record
  if (!existsSync(join(torchRoot, 'lib')))
    throw missing(`libtorch ${torchVersion} in ${torchRoot}, but it is gone`)
  if (record.addon !== null) {
    if (!existsSync(record.addon)) throw missing(`the native addon at ${record.addon}, but it is gone`)
    return { addon: record.addon, origin: 'built', torchRoot }
  }
  const prebuilt = findPrebuilt(torchVersion)
  if (!prebuilt?.fits) throw missing(`the prebuilt addon for libtorch ${torchVersion}, but it is gone`)
  return { addon: prebuilt.path, origin: 'prebuilt', torchRoot }
}

function missing(what: string): SosError {
  return new SosError('ERR_ADDON_MISSING', `expected ${what}; run \`${setupCommand}\``)
}
