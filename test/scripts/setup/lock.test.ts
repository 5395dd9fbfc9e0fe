import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { write } from '../../support/scratch-checkout.js'
import { isRunning, scratchSetup, waitFor } from '../../support/scratch-setup.js'

const scratch = scratchSetup()

describe('the lock', { timeout: 60_000 }, () => {
  const lock = () => join(scratch.root, 'build/setup.lock')

  it('lets a second run wait, and then find all done', async () => {
    write(join(scratch.root, 'cmake-js-sleeps'), '1')
    const first = scratch.setup({ LIBTORCH: scratch.torch })
    await waitFor(() => existsSync(lock()))
    const [one, two] = await Promise.all([first, scratch.setup({ LIBTORCH: scratch.torch })])
    expect([one.code, two.code]).toEqual([0, 0])
    expect(two.stderr).toMatch(/^setup: another setup is at work \(process \d+\); waiting for it\..*\n$/)
    expect(scratch.calls()).toEqual(['cmake-js configure', 'cmake-js build', 'generate', 'tsc'])
    expect(existsSync(lock())).toBe(false)
  })

  it('takes the lock of a dead process, and of one whose pid lives on in another', async () => {
    write(lock(), '2147483646 1\n')
    expect(await scratch.setup({ LIBTORCH: scratch.torch })).toMatchObject({ code: 0 })
    if (process.platform !== 'linux') return
    write(lock(), `${process.pid} 1\n`)
    rmSync(join(scratch.root, 'build/setup.json'))
    expect(await scratch.setup({ LIBTORCH: scratch.torch })).toMatchObject({ code: 0 })
  })

  it('leaves no lock and no command behind when it is ended', async () => {
    write(join(scratch.root, 'cmake-js-sleeps'), '60')
    const child = scratch.start({ LIBTORCH: scratch.torch })
    await waitFor(() => existsSync(join(scratch.root, 'cmake-js-pid')))
    child.kill('SIGTERM')
    expect((await once(child, 'close'))[0]).toBe(143)
    expect(existsSync(lock())).toBe(false)
    const pid = Number(readFileSync(join(scratch.root, 'cmake-js-pid'), 'utf8'))
    await waitFor(() => !isRunning(pid))
  })
})
