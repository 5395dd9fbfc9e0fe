import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { getNumThreads, setNumInteropThreads, setNumThreads } from '../../src/index.js'
import { root } from '../support/paths.js'

/** Runs a program on the compiled package, in a process of its own. */
async function run(program: string): Promise<unknown> {
  const script = `import * as sos from '${root}/dist/index.js'; ${program}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  return JSON.parse(stdout)
}

describe('threads', () => {
  it('are as many as were set', () => {
    const before = getNumThreads()
    for (const threads of [1, 3, before]) {
      setNumThreads(threads)
      expect(getNumThreads()).toBe(threads)
    }
  })

  it.runIf(existsSync('/proc/self/task'))(
    'are as many off the event loop, where work began before',
    async () => {
      const program = `
      import { readdirSync } from 'node:fs'
      const x = sos.torch.ones([2 ** 20])
      const count = async () => {
        for (let i = 0; i < 3; i++) await sos.torch.async.exp(x)
        return readdirSync('/proc/self/task').length
      }
      sos.setNumThreads(2)
      const two = await count()
      sos.setNumThreads(7)
      console.log(JSON.stringify(await count() - two))`
      expect(await run(program)).toBe(5)
    },
  )

  it('for what TorchScript forks are set once, before they start', async () => {
    const program = `
      const before = sos.getNumInteropThreads() > 0
      let code = null
      try { sos.setNumInteropThreads(3); sos.setNumInteropThreads(2) } catch (error) { code = error.code }
      console.log(JSON.stringify([before, sos.getNumInteropThreads(), code]))`
    expect(await run(program)).toEqual([true, 3, 'ERR_TORCH'])
  })

  it('are a whole number of at least one', () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      for (const set of [setNumThreads, setNumInteropThreads]) {
        expect(() => set(threads)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
      }
    }
  })
})
