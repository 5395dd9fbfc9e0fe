/** The process of a soak, which scripts/soak.mjs watches. It keeps workers busy, and works at the same time. */
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { ScriptModule } from '../../dist/index.js'
import { random } from './random.mjs'
import { expectations, modelFile, tasks } from './tasks.mjs'

const longestTask = 120_000 // milliseconds
const [{ seconds, seed, workers, folder }] = await once(process, 'message')
const numbers = random(seed)
const report = { seconds: 0, done: {}, started: 0, terminated: 0, ended: false }
const begin = Date.now()
const isOver = () => Date.now() - begin > seconds * 1000
const count = (name) => {
  report.done[name] = (report.done[name] ?? 0) + 1
}

function tell() {
  report.seconds = Math.round((Date.now() - begin) / 1000)
  process.send({ report })
}
const telling = setInterval(tell, 1000)

/** Reports only the first failure, since later ones may be its consequences. */
function fail(what) {
  process.send({ report, failure: what }, () => process.exit(1))
}

function inTime(promise, what) {
  const timer = setTimeout(() => fail(`${what} has taken ${longestTask / 1000} s`), longestTask)
  return promise.finally(() => clearTimeout(timer))
}

/** Runs one worker from its start to its end. Most workers are ended in the middle of a task. */
async function live(shared, expected) {
  report.started++
  const worker = new Worker(new URL('worker.mjs', import.meta.url), {
    workerData: {
      seed: Math.floor(numbers() * 2 ** 32),
      count: 1 + Math.floor(numbers() * 30),
      shared,
      expected,
      folder,
    },
  })
  const isKilled = numbers() < 0.8
  const lifetime = numbers() ** 2 * 8000
  let last = 'import'
  let isEnding = false
  let timer = setTimeout(() => {}, 0)
  worker.on('message', ({ begun, done }) => {
    clearTimeout(timer)
    if (done) return count(done)
    last = begun
    timer = setTimeout(() => isEnding || fail(`${last} in a worker hangs`), longestTask)
  })
  worker.on('error', (error) => isEnding || fail(`${last} in a worker: ${error.stack ?? error}`))
  const ended = once(worker, 'exit')
  if (isKilled) {
    await Promise.race([wait(lifetime), ended])
    isEnding = true
    await inTime(worker.terminate(), `terminate() of a worker in ${last}`)
    report.terminated++
  } else {
    const [code] = await ended
    if (code !== 0) fail(`a worker ended with exit code ${code} after ${last}`)
  }
  clearTimeout(timer)
}

try {
  const expected = await expectations()
  const module = (await ScriptModule.load(modelFile)).eval()
  const given = { shared: module, expected, random: numbers, folder }
  const names = Object.keys(tasks)
  const lane = async () => {
    while (!isOver()) await live(module.share(), expected)
  }
  const main = async () => {
    while (!isOver()) {
      const name = names[Math.floor(numbers() * names.length)]
      await inTime(tasks[name](given) ?? Promise.resolve(), `${name} on the main thread`)
      count(name)
      await wait(0)
    }
  }
  await Promise.all([main(), main(), ...Array.from({ length: workers }, lane)])
  clearInterval(telling)
  report.ended = true
  tell()
  process.disconnect()
} catch (error) {
  fail(error.stack ?? String(error))
}
