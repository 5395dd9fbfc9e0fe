import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { root as checkout } from './paths.js'

// A checkout for the tests of setup, with fakes instead of everything that is slow: cmake-js, tsc, libtorch, Python. npm is the
// real one; the fakes are its packages, so that it needs no network.

/** The library by which set-up knows a libtorch. */
export const library = process.platform === 'darwin' ? 'libtorch_cpu.dylib' : 'libtorch_cpu.so'

/** A checkout whose packages, compiler and generator are fakes that note in `calls` what they were called for. */
export function makeCheckout(root: string): void {
  for (const path of ['setup.mjs', 'setup']) {
    cpSync(join(checkout, 'scripts', path), join(root, 'scripts', path), { recursive: true })
  }
  const names = ['cmake-js', 'typescript-7', 'typed-emitter']
  const fakes = Object.fromEntries(names.map((name) => [name, `file:fakes/${name}`]))
  const description = { name: 'scratch', version: '1.0.0', engines: { node: '>=20.17' }, dependencies: fakes }
  const links = Object.fromEntries(
    names.flatMap((name) => [
      [`node_modules/${name}`, { resolved: `fakes/${name}`, link: true }],
      [`fakes/${name}`, { version: '1.0.0' }],
    ]),
  )
  write(join(root, 'package.json'), JSON.stringify(description))
  const lock = {
    name: 'scratch',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': description, ...links },
  }
  write(join(root, 'package-lock.json'), JSON.stringify(lock))
  const fakeFiles = {
    'CMakeLists.txt': '',
    'native/core/core.cpp': '',
    'native/binding/addon.cpp': '',
    'src/cli/main.ts': '',
    'tsconfig.json': '{}',
    'requirements.txt': 'torch==2.13.0\n',
    'fakes/cmake-js/package.json': '{"name": "cmake-js", "version": "1.0.0"}',
    'fakes/cmake-js/bin/cmake-js': fakeCMakeJs,
    'fakes/typescript-7/package.json': '{"name": "typescript-7", "version": "1.0.0"}',
    'fakes/typescript-7/bin/tsc': `const fs = require('node:fs')
fs.appendFileSync('calls', 'tsc\\n')
fs.mkdirSync('dist/cli', { recursive: true })
fs.writeFileSync('dist/cli/main.js', '')
fs.mkdirSync('dist/train', { recursive: true })
fs.writeFileSync('dist/train/trainer.d.ts', "import('typed-emitter', { with: { 'resolution-mode': 'require' } })")
`,
    'fakes/typed-emitter/package.json': '{"name": "typed-emitter", "version": "1.0.0"}',
    'fakes/typed-emitter/LICENSE': 'Do what you like.\n',
    'fakes/typed-emitter/index.d.ts': 'export default interface TypedEmitter {}\n',
    'scripts/generate_operators.mjs': `import fs from 'node:fs'
fs.appendFileSync('calls', 'generate\\n')
fs.mkdirSync('src/torch/operators', { recursive: true })
for (const name of ['operators', 'operator-packets']) {
  fs.writeFileSync('src/torch/operators/' + name + '.generated.ts', String(Math.random()))
}
`,
  }
  for (const [path, content] of Object.entries(fakeFiles)) write(join(root, path), content)
}

const fakeCMakeJs = `const fs = require('node:fs')
const [command, ...args] = process.argv.slice(2)
fs.appendFileSync('calls', 'cmake-js ' + command + '\\n')
if (!args.some((arg) => arg.startsWith('--CDTORCH_ROOT=/'))) throw new Error('no TORCH_ROOT')
if (command === 'configure') {
  fs.mkdirSync('build/native', { recursive: true })
  const compiler = args[args.indexOf('--cxx') + 1]
  fs.writeFileSync('build/native/CMakeCache.txt', 'CMAKE_CXX_COMPILER:STRING=' + compiler + '\\n')
  process.exit()
}
if (fs.existsSync('cmake-js-fails')) {
  console.log(fs.readFileSync('cmake-js-fails', 'utf8'))
  process.exit(1)
}
fs.writeFileSync('cmake-js-pid', String(process.pid))
const seconds = fs.existsSync('cmake-js-sleeps') ? Number(fs.readFileSync('cmake-js-sleeps', 'utf8')) : 0
setTimeout(() => {
  fs.mkdirSync('build/native/Release', { recursive: true })
  fs.writeFileSync('build/native/Release/sos_native.node', '')
}, 1000 * seconds)
`

/** A shell script that answers setup's probe, makes a venv of itself, and installs the fake libtorch as its torch. */
export function fakePython(torch: string, version: [number, number, number], venv = true): string {
  const packages = `.venv/lib/python${version[0]}.${version[1]}/site-packages`
  return `case "$*" in
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *" pip "*)
    echo pip >> calls
    if [ -e pip-fails ]; then echo 'ERROR: no network'; exit 1; fi
    mkdir -p ${packages} && cp -r '${torch}' ${packages}/torch ;;
  "-c"*) echo '{"python": "'"$0"'", "version": ${JSON.stringify(version)}, "venv": ${venv}}' ;;
esac`
}

/** Shell scripts in the checkout's bin/. */
export function makeBin(root: string, scripts: Record<string, string>): void {
  for (const [name, script] of Object.entries(scripts)) {
    write(join(root, 'bin', name), `#!/bin/sh\n${script}\n`, 0o755)
  }
}

/** A folder with the libraries that set-up would otherwise look for on this machine. */
export function makeLibraries(prefix: string): void {
  const suffix = process.platform === 'darwin' ? 'a' : 'so'
  for (const path of ['include/turbojpeg.h', `lib/libturbojpeg.${suffix}`]) write(join(prefix, path), '')
}

/** A folder that set-up takes for a libtorch of that version. */
export function makeLibTorch(folder: string, version: string): void {
  write(join(folder, 'include/ATen/ATen.h'), '')
  write(join(folder, 'lib', library), '')
  write(join(folder, 'include/torch/headeronly/version.h'), versionHeader(version))
}

export function versionHeader(version: string): string {
  const [major, minor, patch] = version.split('.')
  return `#pragma once\n#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`
}

export function write(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content, { mode })
}
