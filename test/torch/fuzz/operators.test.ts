import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { binding } from '../../../src/torch/native/binding.js'
import { root } from '../../support/paths.js'
import { type Call, callOf, type Operator } from './calls.js'
import { FuzzChild } from './child.js'
import { readLines, writeLines } from './json-lines.js'
import { endOfPython } from './python-replay.js'

// SOS_FUZZ_SEED=7 SOS_FUZZ_RUNS=100000 npx vitest run test/torch/fuzz looks further. A call that ends Python's process too is libtorch's
// own crash; SOS_FUZZ_RECORD=1 adds it to the list.
const seed = Number(process.env.SOS_FUZZ_SEED ?? 1)
const runs = Number(process.env.SOS_FUZZ_RUNS ?? 10_000)
const worker = `${root}/test/torch/fuzz/call-worker.mjs`
const list = `${root}/test/torch/fuzz/known-operator-crashes.jsonl`

/** Never called: they read files, want other devices, or talk to other processes. */
const skipped =
  /^(aten::(from_file|_?cudnn_|miopen_|_use_(cudnn|miopen)_|_mps_)|(c10d|_c10d_functional\w*|_dtensor|symm_mem|profiler)::)/

/** Calls that end Python's process too: libtorch's own crashes. Their operators are not called. */
interface KnownCrash {
  ours: string
  python: string
  call: Call
}
const known = readLines<KnownCrash>(list)

async function readOperators(): Promise<Map<string, Operator>> {
  const generator = new URL('../../../scripts/generate_operators.mjs', import.meta.url).href
  const { parseSchema } = await import(generator)
  const found = new Map<string, Operator>()
  for (const schema of binding.operatorSchemas()) {
    if (schema.includes('...')) continue
    const full = schema.slice(0, schema.indexOf('('))
    const name = full.includes('.') ? full : `${full}.default`
    found.set(name, { name, parameters: parseSchema(schema).parameters })
  }
  return found
}

describe('operators called with random arguments', () => {
  it('give a value or an error, and neither end the process nor hang', async () => {
    const operators = await readOperators()
    const crashing = new Set(known.map(({ call }) => call.operator))
    const called = [...operators.values()].filter(({ name }) => !crashing.has(name) && !skipped.test(name))
    process.stderr.write(
      `SOS_FUZZ_SEED=${seed} SOS_FUZZ_RUNS=${runs}: ${called.length} of ${operators.size} operators\n`,
    )
    const calls = fc.sample(fc.constantFrom(...called).chain(callOf), { numRuns: runs, seed })

    const child = new FuzzChild(worker)
    const counts: Record<string, number> = {}
    const failures: unknown[] = []
    const ended = new Set<string>()
    let since: Call[] = [] // the worker started
    for (const call of calls) {
      if (ended.has(call.operator)) continue
      since.push(call)
      const outcome = await child.run(call)
      if ('answer' in outcome && !outcome.answer.startsWith('odd')) {
        counts[outcome.answer] = (counts[outcome.answer] ?? 0) + 1
        continue
      }
      if ('answer' in outcome) {
        failures.push({ call: JSON.stringify(call), outcome })
        continue
      }
      // What crashed may be the work of a call before it.
      const again = await child.run(call)
      const calls = 'answer' in again ? since : [call]
      const python = await endOfPython(calls, operators)
      const ours = 'signal' in outcome ? outcome.signal : 'hang'
      const which = python === undefined ? 'crashed' : "libtorch's own"
      counts[which] = (counts[which] ?? 0) + 1
      ended.add(call.operator)
      const report = { operator: call.operator, ours, python, alone: calls.length === 1, call }
      process.stderr.write(`${JSON.stringify(report)}\n`)
      if (python === undefined) failures.push(JSON.stringify(report))
      else if (calls.length === 1) known.push({ ours, python, call })
      child.stop()
      since = []
    }
    child.stop()
    process.stderr.write(`${JSON.stringify(counts)}\n`)
    if (process.env.SOS_FUZZ_RECORD) {
      writeLines(
        list,
        known.sort((a, b) => (a.call.operator < b.call.operator ? -1 : 1)),
      )
    }
    expect(failures).toEqual([])
    expect(counts.success).toBeGreaterThan(runs / 10)
  }, 3_600_000)
})
