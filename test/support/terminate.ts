import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { root } from './paths.js'

const run = promisify(execFile)

/** What a process prints that ends workers as test/fixtures/terminate.mjs describes under this name. A crash and a hang reject. */
export async function terminate(how: string): Promise<string> {
  const script = `${root}/test/fixtures/terminate.mjs`
  const { stdout } = await run(process.execPath, [script, how], { timeout: 100_000, killSignal: 'SIGKILL' })
  return stdout.trim()
}
