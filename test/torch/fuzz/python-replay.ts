import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { root, temporaryFolder } from '../../support/paths.js'
import { pythonPath } from '../../support/python.js'
import type { Call, Operator } from './calls.js'

/** How often the calls are made in Python: reading past the end of memory need not crash at once. */
const ATTEMPTS = 6

/** Makes the calls in Python. Returns the signal by which its process ends, `hang`, or undefined if it survives. */
export async function endOfPython(
  calls: readonly Call[],
  operators: ReadonlyMap<string, Operator>,
): Promise<string | undefined> {
  const path = join(temporaryFolder(), 'calls.jsonl')
  const lines = calls.map((call) => {
    const { parameters } = operators.get(call.operator)!
    const types = parameters.map(({ type }) => type.replace(/\([^()]*\)/g, ''))
    return JSON.stringify({ ...call, types, names: parameters.map(({ name }) => name) })
  })
  writeFileSync(path, lines.join('\n'))
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const end = await endOfProcess(`${root}/test/torch/fuzz/replay.py`, path)
    if (end !== undefined) return end
  }
  return undefined
}

/** The signal by which a Python process ends, `hang` after a minute, or undefined if it ends normally. */
export function endOfProcess(...args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(pythonPath(), args, {
      stdio: 'ignore',
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve('hang')
    }, 60_000)
    child.on('exit', (_, signal) => {
      clearTimeout(timer)
      resolve(signal ?? undefined)
    })
  })
}
