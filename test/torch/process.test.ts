import { spawn } from 'node:child_process'

import { describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'

/** How a process ends that leaves in the middle of work. A crash has a signal, one that hangs is killed. */
function leave(how: string, where: string): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${root}/test/fixtures/leave.mjs`, how, where], {
      stdio: 'ignore',
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
}

describe.each(['forward', 'hook', 'gradient', 'images'])('a process in the middle of a %s', (where) => {
  it.each([
    ['by process.exit', 'exit', 7],
    ['by an error that nobody catches', 'throw', 1],
    ['by terminate() of its worker', 'terminate', 0],
    ['by process.exit of its worker', 'worker-exit', 0],
  ])('ends cleanly %s', async (_, how, code) => {
    const attempts = await Promise.all([leave(how, where), leave(how, where)])
    for (const attempt of attempts) expect(attempt).toEqual({ code, signal: null })
  })
})

describe('a process with four workers', () => {
  it('ends with the last of them', async () => {
    expect(await leave('workers', 'forward')).toEqual({ code: 0, signal: null })
  })
})
