/** A worker of a soak. It runs one task after another until it is terminated or has run all of its tasks. */
import { parentPort, workerData } from 'node:worker_threads'

import { ScriptModule } from '../../dist/index.js'
import { random } from './random.mjs'
import { tasks } from './tasks.mjs'

const { seed, count, shared, expected, folder } = workerData
const numbers = random(seed)
const names = Object.keys(tasks)
const given = { shared: ScriptModule.fromShared(shared), expected, random: numbers, folder }

for (let i = 0; i < count; i++) {
  const name = names[Math.floor(numbers() * names.length)]
  parentPort.postMessage({ begun: name })
  await tasks[name](given)
  parentPort.postMessage({ done: name })
}
