import { spawn } from 'node:child_process'

import { describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'

/** How a process ends that leaves in the middle of a forward. A crash has a signal. */
function leave(how: string): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${root}/test/fixtures/leave.mjs`, how], { stdio: 'ignore' })
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
}

describe('a process with work on the lane', () => {
  it.each([
    ['exit', 7],
    ['throw', 1],
    ['terminate', 0],
    ['workers', 0],
  ])('ends cleanly: %s', async (how, code) => {
    for (let attempt = 0; attempt < 3; attempt++) expect(await leave(how)).toEqual({ code, signal: null })
  })
})
