/**
 * Packs the addon of this checkout as an npm package, for example `@optimum-shifting/linux-x64-torch-2.13`. With it
 * `npx optimum-shifting setup` compiles nothing.
 *
 *   node scripts/pack/addon.mjs        # writes build/packages/optimum-shifting-linux-x64-torch-2.13-VERSION.tgz, and prints its path
 *
 * The addon runs with each libtorch of that minor version, for the CPU or for CUDA, on machines whose glibc is at least that of this
 * machine. It has no NCCL, so training on several GPUs needs `npx optimum-shifting setup --build`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { prebuiltName } from '../../dist/install/index.js'
import { readState } from '../setup/state.mjs'
import { packNpmPackage } from './npm_package.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const isLinux = process.platform === 'linux'
const stage = mkdtempSync(join(tmpdir(), 'sos-addon-'))

try {
  console.log(packAddon())
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(stage, { recursive: true, force: true })
}

/** @returns the path of the tarball */
function packAddon() {
  const { torchVersion, variant } = readState(join(root, 'build'))
  if (variant !== 'cpu') {
    throw new Error(
      `expected a checkout set up with a libtorch for the CPU, whose addon runs with each libtorch, but this one has ${variant ?? 'not been set up'}; run \`npm run setup\` with LIBTORCH=DIR`,
    )
  }
  const install = ['--install', 'build/native', '--prefix', stage, '--component', 'addon', '--strip']
  execFileSync('cmake', install, { cwd: root, stdio: ['ignore', 2, 2] })
  if (isLinux && !readdirSync(stage).some((name) => name.startsWith('libturbojpeg.so'))) {
    throw new Error(
      'expected an addon with libturbojpeg, but this one has none; run `npm run setup`, which fetches it or says why not',
    )
  }
  const glibc = process.report.getReport().header.glibcVersionRuntime
  const needs = isLinux ? `, glibc ${glibc} or newer` : ''
  const fields = {
    name: prebuiltName(torchVersion),
    description: `The native addon of optimum-shifting for libtorch ${torchVersion}, ${process.platform} ${process.arch}${needs}`,
    os: [process.platform],
    cpu: [process.arch],
    ...(isLinux ? { libc: ['glibc'] } : {}),
  }
  const built = Object.fromEntries(readdirSync(stage).map((name) => [name, join(stage, name)]))
  return packNpmPackage(root, fields, { ...built, LICENSE: join(root, 'LICENSE') })
}
