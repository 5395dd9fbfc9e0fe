import { realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { which } from './command.mjs'
import { readState, writeState } from './state.mjs'

/**
 * What the steps of a set-up share.
 *
 * @typedef {object} Layout
 * @property {string} root the folder with CMakeLists.txt and native
 * @property {string} build the folder in which things are built, with setup.json and setup.log
 * @property {string} locked the folder in which one set-up works at a time
 * @property {string} command the command that the user types for this set-up
 * @property {string[]} written folders that exist, and in which the steps write
 * @property {boolean} isAskedFor whether the user has typed it, and not a command that begins with it
 * @property {(context: object) => string} addonPath where the addon is in the end
 * @property {(context: object) => import('./libtorch.mjs').LibTorch | undefined} findLibTorch undefined if libtorch must be installed first
 */

/** @param {Layout} layout */
export function createContext(layout) {
  const context = {
    ...layout,
    state: readState(layout.build),
    log: join(layout.build, 'setup.log'),
    temporary: join(layout.build, 'tmp'),
    env: childEnvironment(join(layout.build, 'tmp')),
    say,
    timed,
    /** Kept, because asking the Python on PATH takes time. It is reset when PyTorch has been installed. */
    torch: undefined,
    libtorch: () => {
      context.torch ??= layout.findLibTorch(context)
      return context.torch
    },
    save: () => writeState(layout.build, context.state),
  }
  return context
}

/** The environment for the commands of the steps: temporary files are below build, this Node is on PATH, and output has no colours. */
function childEnvironment(temporary) {
  const env = { ...process.env, TMPDIR: temporary, NO_COLOR: '1' }
  delete env.FORCE_COLOR
  const node = which('node')
  if (!node || realpathSync(node) !== realpathSync(process.execPath)) {
    env.PATH = [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter)
  }
  return env
}

export function say(message) {
  process.stderr.write(`setup: ${message}\n`)
}

/**
 * Prints one line for each piece of work: what is being done and, at the end, how long it took. On a terminal the line also shows how
 * far the work has come.
 *
 * @param {string} title
 * @param {() => Promise<void>} work
 * @param {() => string | undefined} [progress] asked once a second, as in "120 of 191 MB"
 */
async function timed(title, work, progress = () => undefined) {
  const start = performance.now()
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
  const terminal = process.stderr.isTTY
  process.stderr.write(`setup: ${title} … `)
  const show = () => {
    const text = progress()
    if (text) process.stderr.write(`\r\x1b[Ksetup: ${title} … ${text} `)
  }
  const timer = terminal ? setInterval(show, 1000) : undefined
  const end = (text) => process.stderr.write(`${terminal ? `\r\x1b[Ksetup: ${title} … ` : ''}${text}\n`)
  try {
    await work()
    end(seconds())
  } catch (error) {
    end(`failed after ${seconds()}`)
    throw error
  } finally {
    clearInterval(timer)
  }
}
