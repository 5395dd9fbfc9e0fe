import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SetupFailure } from './failure.mjs'
import { inspectLibTorch } from './libtorch.mjs'
import { findPyTorch } from './python.mjs'

const REMEDY_VENV = 'Delete .venv and run `npm run setup` again; if that does not help, see requirements.txt.'
const REMEDY =
  'Set LIBTORCH to an unpacked libtorch or to the `torch` folder of an installed PyTorch, or LIBTORCH_USE_PYTORCH=1 to ' +
  "use the PyTorch of the python3 on PATH, or unset both: then setup installs PyTorch into the checkout's .venv."

/** Whether libtorch comes from the checkout's own .venv. */
export function usesVenv() {
  return !process.env.LIBTORCH && !usesPyTorch()
}

/**
 * The libtorch that the environment asks for.
 * @returns {import('./libtorch.mjs').LibTorch | undefined} undefined if libtorch comes from .venv and is not installed there yet
 */
export function findLibTorch({ root }) {
  const venvPython = join(root, '.venv/bin/python')
  const pytorch = usesPyTorch() ? askedPyTorch() : undefined
  const python = pytorch?.python ?? (existsSync(venvPython) ? venvPython : null)
  if (process.env.LIBTORCH) {
    // npm runs scripts in the package's folder. INIT_CWD is the folder in which the user typed the path
    const folder = resolve(process.env.INIT_CWD ?? '.', process.env.LIBTORCH)
    return { ...inspectLibTorch(folder, `LIBTORCH=${process.env.LIBTORCH}`, REMEDY), python }
  }
  if (pytorch)
    return { ...inspectLibTorch(pytorch.folder, `the PyTorch of ${pytorch.python}`, REMEDY), python }
  try {
    return python ? { ...inspectVenvTorch(root), python } : undefined
  } catch (error) {
    if (error instanceof SetupFailure) return undefined // the step `venv` repairs it
    throw error
  }
}

export function inspectVenvTorch(root) {
  return inspectLibTorch(torchOfVenv(join(root, '.venv')), '.venv', REMEDY_VENV)
}

/** The folder of PyTorch in a virtual environment, present or not. */
export function torchOfVenv(venv) {
  const library = join(venv, 'lib')
  const pythons = existsSync(library)
    ? readdirSync(library).filter((name) => name.startsWith('python3.'))
    : []
  const folders = pythons.map((name) => join(library, name, 'site-packages/torch'))
  return folders.find((path) => existsSync(path)) ?? join(library, 'python3.*/site-packages/torch')
}

function askedPyTorch() {
  const { found, tried } = findPyTorch()
  if (found) return found
  throw new SetupFailure(
    `LIBTORCH_USE_PYTORCH=${process.env.LIBTORCH_USE_PYTORCH} asks for the torch of the python3 or python on PATH, but found ` +
      `none (${tried.join('; ')}).\nActivate the environment that has PyTorch, or unset LIBTORCH_USE_PYTORCH: then setup ` +
      "installs PyTorch into the checkout's .venv.",
  )
}

function usesPyTorch() {
  return !['', '0', undefined].includes(process.env.LIBTORCH_USE_PYTORCH)
}
