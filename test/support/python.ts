import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

import { root } from './paths.js'

/** The Python whose torch is the reference: the one that set-up recorded, or the project's own `.venv`. */
export function pythonPath(): string {
  const setup = `${root}/build/setup.json`
  const recorded = existsSync(setup) ? JSON.parse(readFileSync(setup, 'utf8')).python : null
  const path = recorded ?? `${root}/.venv/bin/python`
  if (existsSync(path)) return path
  throw new Error(
    `expected a Python with torch and torchvision at ${path}, which the tests compare with; run \`npm run setup\` without LIBTORCH, which makes the .venv`,
  )
}

/** Runs test/reference/NAME.py with `input` as its JSON argument and reads the JSON that it prints. */
// biome-ignore lint/suspicious/noExplicitAny: each reference prints its own document
export async function reference(name: string, input: unknown = {}): Promise<any> {
  const script = `${root}/test/reference/${name}.py`
  const { stdout } = await promisify(execFile)(pythonPath(), [script, JSON.stringify(input)], {
    maxBuffer: 2 ** 28,
    env: { ...process.env, PYTHONWARNINGS: 'ignore' },
  })
  return JSON.parse(stdout)
}
