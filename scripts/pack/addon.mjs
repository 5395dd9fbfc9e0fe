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
const { torchVersion, variant } = readState(join(root, 'build'))
if (variant !== 'cpu') {
  console.error(
    `expected a checkout set up with a libtorch for the CPU, whose addon runs with each libtorch, but this one has ${variant ?? 'not been set up'}; run \`npm run setup\` with LIBTORCH=DIR`,
  )
  process.exit(1)
}
const stage = mkdtempSync(join(tmpdir(), 'sos-addon-'))
try {
  const install = ['--install', 'build/native', '--prefix', stage, '--component', 'addon', '--strip']
  execFileSync('cmake', install, { cwd: root, stdio: ['ignore', 2, 2] })
  const linux = process.platform === 'linux'
  const glibc = process.report.getReport().header.glibcVersionRuntime
  const fields = {
    name: prebuiltName(torchVersion),
    description: `The native addon of optimum-shifting for libtorch ${torchVersion}, ${process.platform} ${process.arch}${linux ? `, glibc ${glibc} or newer` : ''}`,
    os: [process.platform],
    cpu: [process.arch],
    ...(linux ? { libc: ['glibc'] } : {}),
  }
  const names = [...readdirSync(stage), 'LICENSE']
  const files = Object.fromEntries(names.map((name) => [name, join(name === 'LICENSE' ? root : stage, name)]))
  console.log(packNpmPackage(root, fields, files))
} finally {
  rmSync(stage, { recursive: true, force: true })
}
