import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SetupFailure } from './failure.mjs'
import { findPyTorch } from './python.mjs'

const OLDEST = [2, 11]
const NEWEST = [2, 14]
const LIBRARY = process.platform === 'darwin' ? 'lib/libtorch_cpu.dylib' : 'lib/libtorch_cpu.so'
const REMEDY_VENV = 'Delete .venv and run `npm run setup` again; if that does not help, see requirements.txt.'
const REMEDY =
  'Set LIBTORCH to an unpacked libtorch or to the `torch` folder of an installed PyTorch, or LIBTORCH_USE_PYTORCH=1 to ' +
  "use the PyTorch of the python3 on PATH, or unset both: then setup installs PyTorch into the checkout's .venv."

/**
 * @typedef {object} LibTorch
 * @property {string} torchRoot
 * @property {string} torchVersion
 * @property {'cpu' | 'cuda'} variant
 * @property {string | null} python
 */

/** Whether libtorch comes from the checkout's own .venv. */
export function usesVenv() {
  return !process.env.LIBTORCH && !usesPyTorch()
}

/**
 * The libtorch that the environment asks for.
 * @returns {LibTorch | undefined} undefined if libtorch comes from .venv and is not installed there yet
 */
export function findLibTorch(root) {
  const venvPython = join(root, '.venv/bin/python')
  const pytorch = usesPyTorch() ? findPyTorch() : undefined
  const python = pytorch?.python ?? (existsSync(venvPython) ? venvPython : null)
  if (process.env.LIBTORCH) {
    // npm runs scripts in the package's folder. INIT_CWD is the folder in which the user typed the path
    const folder = resolve(process.env.INIT_CWD ?? '.', process.env.LIBTORCH)
    return { ...inspectLibTorch(folder, `LIBTORCH=${process.env.LIBTORCH}`), python }
  }
  if (pytorch) return { ...inspectLibTorch(pytorch.folder, `the PyTorch of ${pytorch.python}`), python }
  try {
    return python ? { ...inspectVenvTorch(root), python } : undefined
  } catch (error) {
    if (error instanceof SetupFailure) return undefined // the step `venv` repairs it
    throw error
  }
}

export function inspectVenvTorch(root) {
  const library = join(root, '.venv/lib')
  const pythons = existsSync(library)
    ? readdirSync(library).filter((name) => name.startsWith('python3.'))
    : []
  const folders = pythons.map((name) => join(library, name, 'site-packages/torch'))
  const folder = folders.find((path) => existsSync(path)) ?? join(library, 'python3.*/site-packages/torch')
  return inspectLibTorch(folder, '.venv', REMEDY_VENV)
}

/** @returns {Omit<LibTorch, 'python'>} */
export function inspectLibTorch(folder, origin, remedy = REMEDY) {
  const missing = ['include/ATen/ATen.h', LIBRARY].filter((path) => !existsSync(join(folder, path)))
  if (missing.length > 0) {
    const inner = ['libtorch', 'torch'].map((name) => join(folder, name))
    const hint = inner.find((path) => existsSync(join(path, 'include/ATen/ATen.h')))
    throw new SetupFailure(
      `expected a libtorch at ${origin}, a folder with include/ATen/ATen.h and ${LIBRARY}, but ${folder} ` +
        `${existsSync(folder) ? `has no ${missing.join(' and no ')}` : 'does not exist'}.\n` +
        `${hint ? `There is one in ${hint}: did you mean that? ` : ''}${remedy}`,
    )
  }
  const version = readVersion(folder)
  const text = version?.join('.') ?? 'unknown (no TORCH_VERSION_MAJOR in include/torch/headeronly/version.h)'
  if (!version || compare(version, OLDEST) < 0 || compare(version, NEWEST) > 0) {
    throw new SetupFailure(
      `expected libtorch ${OLDEST.join('.')} to ${NEWEST.join('.')} at ${origin}, but the version of ${folder} is ${text}.\n${remedy}`,
    )
  }
  const cuda = existsSync(join(folder, 'lib/libtorch_cuda.so'))
  return { torchRoot: folder, torchVersion: text, variant: cuda ? 'cuda' : 'cpu' }
}

/** [major, minor, patch] from the headers, in the newer or the older layout. */
export function readVersion(folder) {
  for (const header of ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h']) {
    const path = join(folder, 'include', header)
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => new RegExp(`^#define TORCH_VERSION_${part} (\\d+)`, 'm').exec(text)?.[1],
    )
    if (numbers.every((number) => number !== undefined)) return numbers.map(Number)
  }
}

function usesPyTorch() {
  return !['', '0', undefined].includes(process.env.LIBTORCH_USE_PYTORCH)
}

/** Compares only major and minor version. */
function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1]
}
