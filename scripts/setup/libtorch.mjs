import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupFailure } from './failure.mjs'

const OLDEST = [2, 11]
const NEWEST = [2, 14]
const LIBRARY = process.platform === 'darwin' ? 'lib/libtorch_cpu.dylib' : 'lib/libtorch_cpu.so'
/**
 * @typedef {object} LibTorch
 * @property {string} torchRoot
 * @property {string} torchVersion
 * @property {'cpu' | 'cuda'} variant
 * @property {string | null} python the Python that belongs to it
 */

/**
 * @param {string} folder
 * @param {string} origin where the folder comes from, as in LIBTORCH=DIR
 * @param {string} remedy what the user can do if the folder cannot be used
 * @returns {Omit<LibTorch, 'python'>}
 */
export function inspectLibTorch(folder, origin, remedy) {
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

/** Compares only major and minor version. */
function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1]
}
