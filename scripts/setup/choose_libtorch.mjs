import { join, resolve } from 'node:path'
import { cachedTorches, pinnedTorch, torchToInstall } from './cached_torch.mjs'
import { SetupFailure } from './failure.mjs'
import { inspectLibTorch } from './libtorch.mjs'
import { findPyTorch } from './python.mjs'

const REMEDY =
  'Name a folder of libtorch, or the `torch` folder of a PyTorch, by --libtorch DIR; or leave the option out: then set-up finds or ' +
  'installs one.'

/**
 * Chooses the libtorch of an installation: the one that was asked for; otherwise that of the last set-up, one in the cache, or the
 * PyTorch of a Python here; otherwise one to install.
 *
 * @param {object} options of setUp in installation.mjs
 * @param {import('./state.mjs').State} state of the last set-up
 * @returns {{ found?: import('./libtorch.mjs').LibTorch, install?: object, why: string }}
 */
export function chooseLibTorch(options, state) {
  const { root, home, libtorch, usePytorch, cpu, cuda } = options
  if (libtorch) {
    const found = inspectLibTorch(resolve(libtorch), `--libtorch ${libtorch}`, REMEDY)
    return { found: { ...found, python: null }, why: 'named by --libtorch' }
  }
  if (usePytorch) return askedPyTorch()
  const variant = cpu ? 'cpu' : cuda ? 'cuda' : undefined
  const fits = (found) => variant === undefined || found.variant === variant
  const last = lastLibTorch(state)
  if (last && fits(last)) return { found: last, why: 'of the last set-up' }
  const pinned = pinnedTorch(root)
  const cached = cachedTorches(home).filter(fits)
  const best = cached.find(({ torchVersion }) => torchVersion === pinned) ?? cached[0]
  if (best) return { found: best, why: 'in the cache' }
  const here = variant === undefined ? pyTorchHere(options.say) : undefined
  if (here) return { found: here, why: `the PyTorch of ${here.python}` }
  return { install: torchToInstall(home, pinned, variant), why: 'to be installed' }
}

function askedPyTorch() {
  const { found, tried } = findPyTorch()
  if (!found) {
    throw new SetupFailure(
      `expected a python3 or python on PATH that has torch, as --use-pytorch says, but found none (${tried.join('; ')}).\n` +
        'Activate the environment that has PyTorch, or leave the option out.',
    )
  }
  const origin = `the PyTorch of ${found.python}`
  return { found: { ...inspectLibTorch(found.folder, origin, REMEDY), python: found.python }, why: origin }
}

function lastLibTorch({ torchRoot, python = null }) {
  return torchRoot && attempt(() => ({ ...inspectLibTorch(torchRoot, 'the last set-up', REMEDY), python }))
}

/** The PyTorch of the Python on PATH, or of the working folder's .venv, if its version is supported. */
function pyTorchHere(say) {
  const { found } = findPyTorch(['python3', 'python', join(process.cwd(), '.venv/bin/python')])
  if (!found) return undefined
  return attempt(
    () => ({ ...inspectLibTorch(found.folder, `the PyTorch of ${found.python}`, ''), python: found.python }),
    (error) => say(`${error.message.trim()} It is not used.`),
  )
}

function attempt(find, otherwise = () => {}) {
  try {
    return find()
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error
    otherwise(error)
  }
}
