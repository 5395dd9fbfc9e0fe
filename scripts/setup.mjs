/**
 * Sets up a fresh clone: npm's packages, libtorch, the native addon, the operators' types, and the compiled TypeScript. It does
 * only what is missing. `npm run demo`, `npm test` and `npm run check` begin with it.
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
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { addon, addonPath, lacksOfToolchain } from './setup/addon.mjs'
import { endCommandsOnSignals, which } from './setup/command.mjs'
import { SetupFailure } from './setup/failure.mjs'
import { findLibTorch } from './setup/libtorch.mjs'
import { withLock } from './setup/lock.mjs'
import { lackOfNpm, packages } from './setup/packages.mjs'
import { readState, writeState } from './setup/state.mjs'
import { lackOfNode, lackOfPython, refuseLacks } from './setup/toolchain.mjs'
import { dist, operators } from './setup/typescript.mjs'
import { needsPython, venv } from './setup/venv.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/**
 * The steps in their order. A step is done if what it makes is present, and if its stamp is that of the last time. The stamp is a
 * hash of everything that the step uses.
 */
const steps = [packages, venv, addon, operators, dist].filter((step) => step.applies({ root }))

try {
  const node = lackOfNode(root)
  if (node || !isComplete(createContext())) {
    endCommandsOnSignals()
    await withLock(root, say, () => complete(createContext(), node))
  }
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  say(error.message)
  process.exitCode = 1
}

function createContext() {
  const context = {
    root,
    state: readState(root),
    log: join(root, 'build/setup.log'),
    env: childEnvironment(),
    say,
    timed,
    /** Kept, because asking the Python on PATH takes time. It is reset when .venv changes. */
    torch: undefined,
    libtorch: () => {
      context.torch ??= findLibTorch(root)
      return context.torch
    },
    save: () => writeState(root, context.state),
  }
  return context
}

function isComplete(context) {
  return steps.every((step) => isDone(step, context)) && isDeepStrictEqual(withFacts(context), context.state)
}

function isDone(step, context) {
  const done = context.state.stamps[step.name]
  return done !== undefined && step.isPresent(context) && done === step.stamp(context)
}

async function complete(context, node) {
  if (!node && isComplete(context)) return // another process did it while this one waited
  const temporary = join(root, 'build/tmp')
  mkdirSync(temporary, { recursive: true })
  writeFileSync(context.log, '')
  try {
    refuseLacks([node, ...findLacks(context)].filter((lack) => lack !== undefined))
    for (const step of steps) {
      if (!isDone(step, context)) await perform(step, context)
    }
    context.state = withFacts(context)
    context.save()
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** The stamp is computed before the step, so that edits during the step count as changes. It is removed until the step has succeeded. */
async function perform(step, context) {
  const { stamps } = context.state
  const stamp = step.stamp(context)
  delete stamps[step.name]
  context.save()
  await step.run(context)
  stamps[step.name] = stamp
  context.save()
}

function findLacks(context) {
  const pending = steps.filter((step) => !isDone(step, context))
  return [
    pending.includes(packages) ? lackOfNpm() : undefined,
    pending.includes(venv) && needsPython(root) ? lackOfPython() : undefined,
    ...(pending.includes(addon) ? lacksOfToolchain(context) : []),
  ]
}

function withFacts({ state, libtorch }) {
  return { ...libtorch(), addon: addonPath(root), stamps: state.stamps }
}

/** The environment for the commands of the steps: temporary files are in the checkout, this Node is on PATH, and output has no colours. */
function childEnvironment() {
  const env = { ...process.env, TMPDIR: join(root, 'build/tmp'), NO_COLOR: '1' }
  delete env.FORCE_COLOR
  const node = which('node')
  if (!node || realpathSync(node) !== realpathSync(process.execPath)) {
    env.PATH = [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter)
  }
  return env
}

function say(message) {
  process.stderr.write(`setup: ${message}\n`)
}

/** Prints one line for each step: what is being done and, at the end, how long it took. */
async function timed(title, work) {
  const start = performance.now()
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
  process.stderr.write(`setup: ${title} … `)
  try {
    await work()
    process.stderr.write(`${seconds()}\n`)
  } catch (error) {
    process.stderr.write(`failed after ${seconds()}\n`)
    throw error
  }
}
