/**
 * Packs everything that a machine with a GPU needs for the check into one folder, so that it downloads nothing:
 *
 *   node scripts/gpu/pack.mjs [--out build/gpu-pack]
 *   bash build/gpu-pack/run.sh --out DIR        # on that machine, wherever the folder was put
 *
 * The folder holds Node's binary, this checkout's compiled package with the addon's sources, npm's run-time packages, and the
 * demo's network with its data. Untrained networks and images are made on that machine. The folder has at most 60 MiB.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { cmakeVariable } from '../setup/addon.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const most = 60 * 2 ** 20

/** The files of the checkout that are packed. Without package-lock.json and src, setup installs no packages and compiles no TypeScript. */
const parts = ['package.json', 'CMakeLists.txt', 'native', 'dist', 'scripts', 'assets', 'requirements.txt']
const separateHeaders = [
  { what: 'doctest, so that core is tested', variable: 'DOCTEST_INCLUDE', folder: 'doctest' },
  {
    what: 'libturbojpeg, so that it decodes JPEG files',
    variable: 'TURBOJPEG_INCLUDE',
    folder: 'turbojpeg.h',
  },
]

const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'build/gpu-pack') } } })
process.exitCode = pack(resolve(values.out))

/** @returns the exit code */
function pack(out) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return refuse(
      `expected Linux on x64, as on the machine with the GPU, but this is ${process.platform} on ${process.arch}`,
    )
  }
  if (existsSync(out) && !existsSync(join(out, 'run.sh')) && readdirSync(out).length > 0) {
    return refuse(`${out} holds other files; name an empty folder`)
  }
  execFileSync(process.execPath, [join(root, 'scripts/setup.mjs')], { stdio: ['ignore', 2, 2] })
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const stage = mkdtempSync(join(tmpdir(), 'sos-pack-'))
  try {
    for (const part of parts)
      cpSync(join(root, part), join(stage, part), { recursive: true, filter: isWanted })
    for (const folder of runtimePackages()) {
      cpSync(join(root, folder), join(stage, folder), { recursive: true, dereference: true })
    }
    for (const { what, ...header } of separateHeaders) {
      if (!addHeader(stage, header)) say(`left out ${what}: the header is not found here`)
    }
    say('packing …')
    execFileSync('tar', ['-cf', join(stage, 'package.tar'), '--exclude=package.tar', '-C', stage, '.'])
    compress(join(stage, 'package.tar'), join(out, 'package.tar.xz'))
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
  compress(realpathSync(process.execPath), join(out, 'node.xz'))
  for (const file of ['run.sh', 'unpack.py']) cpSync(join(here, file), join(out, file))
  writeFileSync(join(out, 'commit.txt'), execFileSync('git', ['-C', root, 'describe', '--always', '--dirty']))
  return tellSize(out)
}

/** Leaves out Python's caches. */
function isWanted(path) {
  return !path.includes('__pycache__')
}

/** The folders of all packages for this platform that are not development dependencies. */
function runtimePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => existsSync(join(root, path)) && !path.includes('musl'))
}

function addHeader(stage, { variable, folder }) {
  const include = cmakeVariable(join(root, 'build/native'), variable)
  const source = include && join(include, folder)
  if (!source || !existsSync(source)) return false
  cpSync(source, join(stage, 'deps/include', folder), { recursive: true })
  if (variable === 'TURBOJPEG_INCLUDE') {
    const library = realpathSync(cmakeVariable(join(root, 'build/native'), 'TURBOJPEG_LIBRARY'))
    for (const name of ['libturbojpeg.so', 'libturbojpeg.so.0']) {
      cpSync(library, join(stage, 'deps/lib', name))
    }
  }
  return true
}

function compress(source, target) {
  const data = execFileSync('xz', ['-9', '--threads=0', '--stdout', source], { maxBuffer: 2 ** 30 })
  writeFileSync(target, data)
}

function tellSize(out) {
  const files = readdirSync(out).map((name) => ({ name, bytes: statSync(join(out, name)).size }))
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const mebibytes = (size) => `${(size / 2 ** 20).toFixed(1)} MiB`
  for (const file of files) say(`${mebibytes(file.bytes).padStart(9)}  ${file.name}`)
  say(`${mebibytes(bytes)} in ${out}; run there: bash ${join(out, 'run.sh')} --out DIR`)
  return bytes <= most ? 0 : refuse(`expected at most ${mebibytes(most)}`)
}

function refuse(message) {
  say(message)
  return 1
}

function say(message) {
  process.stderr.write(`pack: ${message}\n`)
}
