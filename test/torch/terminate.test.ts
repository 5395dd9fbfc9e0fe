import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'

const run = promisify(execFile)

/** What the process prints; a crash and a hang reject. */
async function terminate(how: string): Promise<string> {
  const script = `${root}/test/fixtures/terminate.mjs`
  const { stdout } = await run(process.execPath, [script, how], { timeout: 100_000, killSignal: 'SIGKILL' })
  return stdout.trim()
}

describe('the process lives when its workers are terminated', () => {
  it.each([
    'shape',
    'array',
    'nested',
    'large',
    'garbage',
    'buffers',
    'errors',
    'arguments',
    'disposed',
    'async',
    'hooks',
    'gradients',
    'loads',
  ])('in a loop of %s', async (loop) => {
    expect(await terminate(loop)).toBe('lives')
  })

  it('during import', async () => {
    expect(await terminate('import')).toBe('lives')
  })

  it('sixteen at once, each in another kind of work', async () => {
    expect(await terminate('sixteen')).toBe('lives')
  })

  it('by process.exit in a hook', async () => {
    expect(await terminate('exits')).toBe('lives')
  })

  it('for a full heap', async () => {
    expect(await terminate('heap')).toBe('lives')
  })
})

describe('a script that runs out of time', () => {
  it('is ended in the middle of tensor code, and its thread continues', async () => {
    expect(await terminate('timeout')).toBe('lives')
  })
})
