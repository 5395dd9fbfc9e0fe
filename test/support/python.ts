import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
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

/**
 * Runs test/reference/NAME.py with `input` as its JSON argument and reads the JSON that it prints. `npm run test:mutate` runs the same
 * test many times, and names a folder in which the answers are kept meanwhile.
 */
// biome-ignore lint/suspicious/noExplicitAny: each reference prints its own document
export async function reference(name: string, input: unknown = {}): Promise<any> {
  const script = `${root}/test/reference/${name}.py`
  const argument = JSON.stringify(input)
  const { SOS_REFERENCE_ANSWERS: folder } = process.env
  // What is in a folder of a test's own is asked for once.
  const isKept = folder !== undefined && !argument.includes(tmpdir())
  const kept = isKept ? `${folder}/${createHash('sha256').update(`${name} ${argument}`).digest('hex')}` : null
  if (kept !== null && existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'))
  const { stdout } = await promisify(execFile)(pythonPath(), [script, argument], {
    maxBuffer: 2 ** 28,
    env: { ...process.env, PYTHONWARNINGS: 'ignore' },
  })
  if (kept !== null) {
    await writeFile(`${kept}.${process.pid}`, stdout)
    await rename(`${kept}.${process.pid}`, kept)
  }
  return JSON.parse(stdout)
}
