import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What setup has found and done, as in the file `setup.json` of its folder `build`. Other scripts read the facts. The stamps say for which content each step
 * was done.
 *
 * @typedef {object} State
 * @property {string} [torchRoot] the folder with libtorch's include/ and lib/
 * @property {string} [torchVersion] as in 2.13.0
 * @property {'cpu' | 'cuda'} [variant]
 * @property {string | null} [python] the Python with requirements.txt, or null
 * @property {string} [addon] path of sos_native.node
 * @property {Record<string, string>} stamps
 */

/** @returns {State} */
export function readState(build) {
  try {
    const state = JSON.parse(readFileSync(join(build, 'setup.json'), 'utf8'))
    return { ...state, stamps: { ...state.stamps } }
  } catch {
    return { stamps: {} } // missing or damaged: every step is done again
  }
}

/** Writes the state under a temporary name and renames it, so that a reader never sees half a file. */
export function writeState(build, state) {
  const path = join(build, 'setup.json')
  const temporary = `${path}.${process.pid}.tmp`
  mkdirSync(build, { recursive: true })
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(temporary, path)
}
