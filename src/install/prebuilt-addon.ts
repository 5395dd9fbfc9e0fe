import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { packageFolder, packageVersion } from './package.js'

/** An addon that a package contains, so that nobody has to compile it. */
export interface PrebuiltAddon {
  /** The name of the package. */
  name: string
  /** The version of the package. Only that of this package fits. */
  version: string
  fits: boolean
  /** The path of the addon. */
  path: string
}

/** The name of the package that contains an addon for a libtorch, as in `@optimum-shifting/linux-x64-torch-2.13`. */
export function prebuiltName(torchVersion: string): string {
  const [major, minor] = torchVersion.split('.')
  return `@optimum-shifting/${process.platform}-${process.arch}-torch-${major}.${minor}`
}

/**
 * The prebuilt addon for a libtorch: a package that this package can import. The working folder is not searched, since it may be a
 * stranger's and the addon is native code.
 *
 * @throws what reading the package's description throws, if it is damaged
 */
export function findPrebuilt(torchVersion: string): PrebuiltAddon | undefined {
  const name = prebuiltName(torchVersion)
  const description = resolved(`${name}/package.json`)
  if (description === undefined) return undefined
  const { version } = JSON.parse(readFileSync(description, 'utf8'))
  const path = join(dirname(description), 'sos_native.node')
  return { name, version, fits: version === packageVersion && existsSync(path), path }
}

function resolved(specifier: string): string | undefined {
  try {
    return createRequire(join(packageFolder, 'package.json')).resolve(specifier)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}
