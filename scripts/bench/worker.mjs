/**
 * Our side of a benchmark: `worker.mjs NAME PREPARED THREADS`. It runs cases when messages on stdin ask for them: { case,
 * iterations } → { seconds, cpuSeconds, value }, { result: case } → { values }. See README.md.
 */
import { createInterface } from 'node:readline'
import { runtimeInfo, torch } from '../../dist/index.js'

const { setNumThreads } = torch

const [name, prepared, threads] = process.argv.slice(2)
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

try {
  setNumThreads(Number(threads))
  const benchmark = await import(`./cases/${name}.mjs`)
  const cases = await benchmark.cases(JSON.parse(prepared))
  const { torchVersion, jpegDecoder } = runtimeInfo()
  const leftOut = Object.entries(cases).flatMap(([name, { leftOut }]) => (leftOut ? [[name, leftOut]] : []))
  say({
    cases: Object.keys(cases),
    leftOut: Object.fromEntries(leftOut),
    torch: torchVersion,
    node: process.versions.node,
    jpegDecoder,
  })
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line)
    try {
      say('result' in message ? await result(cases[message.result]) : await run(cases[message.case], message))
    } catch (error) {
      say({ error: error.stack })
    }
  }
} catch (error) {
  say({ error: error.stack })
  process.exitCode = 1
}

/** A synchronous case runs in one piece: nothing yields to the event loop in between. */
async function run(chosen, { iterations }) {
  const cpuStart = process.cpuUsage()
  const start = process.hrtime.bigint()
  let value = chosen.run(iterations)
  if (value instanceof Promise) value = await value
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(cpuStart)
  return { seconds, cpuSeconds: (user + system) / 1e6, value }
}

async function result(chosen) {
  return { values: Array.from((await chosen.result()).toTypedArray()) }
}
