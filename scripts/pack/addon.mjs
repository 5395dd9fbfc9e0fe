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
import { copyFileSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { prebuiltName } from '../../dist/install/index.js'
import { cmakeVariable } from '../setup/addon.mjs'
import { readState } from '../setup/state.mjs'
import { packNpmPackage } from './npm_package.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { torchVersion, variant } = readState(join(root, 'build'))
if (variant !== 'cpu') {
  fail(
    `expected a checkout set up with a libtorch for the CPU, whose addon runs with each libtorch, but this one has ${variant ?? 'not been set up'}; run \`npm run setup\` with LIBTORCH=DIR`,
  )
}
const stage = mkdtempSync(join(tmpdir(), 'sos-addon-'))
try {
  const install = ['--install', 'build/native', '--prefix', stage, '--component', 'addon', '--strip']
  execFileSync('cmake', install, { cwd: root, stdio: ['ignore', 2, 2] })
  if (process.platform === 'linux') addTurboJpeg(stage) // on macOS it is linked statically
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

/** Adds the library that the addon decodes JPEG with, under the name by which the addon asks for it, and its license. */
function addTurboJpeg(folder) {
  const tree = join(root, 'build/native')
  const library = cmakeVariable(tree, 'TURBOJPEG_LIBRARY') ?? ''
  const include = cmakeVariable(tree, 'TURBOJPEG_INCLUDE') ?? ''
  if (!existsSync(library))
    fail('expected an addon with libturbojpeg, but this one has none; `npm run setup` says why')
  const name = readdirSync(dirname(library)).find((file) =>
    /^\.\d+$/.test(file.replace(basename(library), '')),
  )
  copyFileSync(realpathSync(library), join(folder, name))
  const license = join(include, '../share/doc/libturbojpeg0/copyright')
  if (!existsSync(license))
    fail(`expected the license of libturbojpeg at ${license}, which must come with it`)
  copyFileSync(license, join(folder, 'LICENSE.libturbojpeg'))
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
