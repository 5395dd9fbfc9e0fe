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

/** The prebuilt addon for a libtorch: a package that this package, or the program in the working folder, can import. */
export function findPrebuilt(torchVersion: string): PrebuiltAddon | undefined {
  const name = prebuiltName(torchVersion)
  for (const from of [packageFolder, process.cwd()]) {
    try {
      const description = createRequire(join(from, 'package.json')).resolve(`${name}/package.json`)
      const { version } = JSON.parse(readFileSync(description, 'utf8'))
      const path = join(dirname(description), 'sos_native.node')
      return { name, version, fits: version === packageVersion && existsSync(path), path }
    } catch {
      // It is not installed there.
    }
  }
}
