/**
 * Sets up a fresh clone: npm's packages, libtorch, the native addon, the operators' types, and the compiled TypeScript. It does
 * only what is missing. `npm run demo`, `npm test` and `npm run check` begin with it. The package that npm installs is set up by
 * `npx optimum-shifting setup` (scripts/setup/installation.mjs).
 *
 *   LIBTORCH=DIR             use this libtorch (include/ and lib/, or a PyTorch wheel's `torch` folder)
 *   LIBTORCH_USE_PYTORCH=1   use the PyTorch of the python3 or python on PATH
 *   neither                  install PyTorch (requirements.txt) into the checkout's .venv
 * CXX, PIP_CACHE_DIR       the C++ compiler; the folder of pip's cache
 *
 * It writes only into the checkout: node_modules, .venv, build, dist, src/torch/operators/*.generated.ts. What it found is in
 * build/setup.json, and the output of the steps in build/setup.log. Its own messages go to stderr, because stdout belongs to the
 * command that follows.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addon, builtAddon } from './setup/addon.mjs'
import { findLibTorch } from './setup/checkout_libtorch.mjs'
import { createContext, say } from './setup/context.mjs'
import { SetupFailure } from './setup/failure.mjs'
import { libraries } from './setup/libraries.mjs'
import { packages } from './setup/packages.mjs'
import { completeSteps } from './setup/steps.mjs'
import { lackOfNode } from './setup/toolchain.mjs'
import { dist, operators } from './setup/typescript.mjs'
import { venv } from './setup/venv.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const build = join(root, 'build')
const layout = {
  root,
  build,
  locked: build,
  written: [root],
  command: 'npm run setup',
  // Not if `npm test` or the like begins with it.
  isAskedFor: ['setup', undefined].includes(process.env.npm_lifecycle_event),
  findLibTorch,
  addonPath: () => builtAddon(build),
}

try {
  await completeSteps(
    [packages, venv, libraries, addon, operators, dist],
    () => createContext(layout),
    lackOfNode(root),
  )
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}
