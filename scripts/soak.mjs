/**
 * Puts the addon under heavy load for a while. Workers load, run, hook, differentiate, save and shift; they are terminated at
 * random in the middle of it. All of them and the main thread share one module.
 *
 *   node scripts/soak.mjs [--seconds 600] [--seed 1] [--workers 16]
 *
 * An abort, a crash, a hang, an unexpected error or a wrong result ends it with exit code 1, and it says what happened. It prints
 * what was done as one line of JSON. The seed determines what is done, but not when, since that depends on the threads.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const longestSilence = 120_000 // milliseconds; a machine that is busy with other things is slow, too

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '16' },
  },
})
const [seconds, seed, workers] = [values.seconds, values.seed, values.workers].map(Number)
if (!(seconds > 0) || !Number.isSafeInteger(seed) || !(Number.isSafeInteger(workers) && workers > 0)) {
  console.error('soak: expected --seconds above 0, and whole numbers for --seed and --workers (at least 1)')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'sos-soak-')) // workers that are terminated leave files behind
const child = fork(fileURLToPath(new URL('soak/run.mjs', import.meta.url)), [], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})
let report = null
let failure = null
let heard = Date.now()
child.on('message', (message) => {
  heard = Date.now()
  report = message.report ?? report
  failure = message.failure ?? failure
})
child.send({ seconds, seed, workers, folder })

const watchdog = setInterval(() => {
  if (Date.now() - heard < longestSilence) return
  failure = `its event loop has not turned for ${longestSilence / 1000} s`
  child.kill('SIGKILL')
}, 1000)

child.on('exit', (code, signal) => {
  clearInterval(watchdog)
  rmSync(folder, { recursive: true, force: true })
  if (failure === null && (code !== 0 || report?.ended !== true)) {
    failure =
      signal === null ? `the process ended with exit code ${code}` : `the process was ended by ${signal}`
  }
  console.log(JSON.stringify({ seed, workers, ...report, failure }))
  process.exitCode = failure === null ? 0 : 1
})
