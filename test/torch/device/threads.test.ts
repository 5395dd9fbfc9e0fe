import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'

import { root } from '../../support/paths.js'

/** Runs a program on the compiled package, in a process of its own. */
async function run(program: string): Promise<unknown> {
  const script = `import * as sos from '${root}/dist/index.js'; ${program}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  return JSON.parse(stdout)
}

describe('threads', () => {
  it('are as many as were set', () => {
    const before = torch.getNumThreads()
    for (const threads of [1, 3, before]) {
      torch.setNumThreads(threads)
      expect(torch.getNumThreads()).toBe(threads)
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
      sos.torch.setNumThreads(2)
      const two = await count()
      sos.torch.setNumThreads(7)
      console.log(JSON.stringify(await count() - two))`
      expect(await run(program)).toBe(5)
    },
  )

  it.runIf(existsSync('/proc/self/task'))(
    'serve large synchronous operators too, which would otherwise keep threads of their own',
    async () => {
      const program = `
      import { readdirSync } from 'node:fs'
      const { torch } = sos
      const count = () => readdirSync('/proc/self/task').length
      const x = torch.ones([2 ** 10, 2 ** 10])
      sos.torch.setNumThreads(3)
      const small = torch.ones([100, 100])
      for (let i = 0; i < 100; i++) small.matmul(small).log_softmax(1)
      const before = count()
      for (let i = 0; i < 3; i++) x.matmul(x).exp()
      const synchronous = count()
      await torch.async.exp(x)
      const asynchronous = count()
      const pending = torch.async.matmul(x, x)
      const beside = x.matmul(x)
      const same = torch.equal(await pending, beside)
      console.log(JSON.stringify([synchronous - before, asynchronous - before, count() - before, same]))`
      // The lane and two beside it; those of an operator that ran while the lane was at work are gone again.
      expect(await run(program)).toEqual([3, 3, 3, true])
    },
  )

  it('change no bit of a synchronous operator, whether the lane is idle or not', async () => {
    const x = torch.randn([1000, 1000], { generator: new torch.Generator(1) })
    const idle = [x.sum(), x.matmul(x).sum(), x.softmax(0).std()].map((result) => result.item())
    const pending = torch.async.linalg_svd(x)
    const busy = [x.sum(), x.matmul(x).sum(), x.softmax(0).std()].map((result) => result.item())
    await pending
    expect(busy).toEqual(idle)
    expect(idle).toEqual([x.sum(), x.matmul(x).sum(), x.softmax(0).std()].map((result) => result.item()))
  })

  it('carry the modes, the graph and the errors of a large synchronous operator', async () => {
    const x = torch.ones([512, 512])
    x.requiresGrad = true
    const y = x.mul(x)
    expect(y.requiresGrad).toBe(true)
    expect(torch.noGrad(() => x.mul(x)).requiresGrad).toBe(false)
    const [gradient] = await torch.autograd.grad([y.sum()], [x])
    expect([gradient!.min().item(), gradient!.max().item()]).toEqual([2, 2])
    expect(() => x.matmul(torch.ones([1024, 512]))).toThrow(/shapes cannot be multiplied/)
    expect(y.add(1).sum().item()).toBe(2 * 512 * 512)
  })

  it('answer what a large synchronous operator calls: the hooks of a backward', () => {
    const x = torch.ones([512, 512])
    x.requiresGrad = true
    const y = x.mul(3)
    y.registerHook((gradient) => gradient.mul(2).add(torch.ones([512, 512]).matmul(gradient).sub(512)))
    torch._backward(y, [x], torch.ones_like(y))
    expect([x.grad!.min().item(), x.grad!.max().item()]).toEqual([6, 6])
    y.registerHook(() => {
      throw new RangeError('from a hook')
    })
    expect(() => torch._backward(x.mul(y), [x], torch.ones_like(y))).toThrow(RangeError)
    expect(x.add(x).sum().item()).toBe(2 * 512 * 512)
  })

  it('end with process.exit() in a hook of a large synchronous backward', async () => {
    const program = `
      const x = sos.torch.ones([512, 512])
      x.requiresGrad = true
      const y = x.mul(3)
      y.registerHook(() => { console.log(JSON.stringify('in the hook')); process.exit(0) })
      sos.torch._backward(y, [x], sos.torch.ones_like(y))
      console.log(JSON.stringify('after it'))`
    expect(await run(program)).toBe('in the hook')
  })

  it('for what TorchScript forks are set once, before they start', async () => {
    const program = `
      const before = sos.torch.getNumInteropThreads() > 0
      let code = null
      try { sos.torch.setNumInteropThreads(3); sos.torch.setNumInteropThreads(2) } catch (error) { code = error.code }
      console.log(JSON.stringify([before, sos.torch.getNumInteropThreads(), code]))`
    expect(await run(program)).toEqual([true, 3, 'ERR_TORCH'])
  })

  it('are a whole number of at least one', () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      for (const set of [torch.setNumThreads, torch.setNumInteropThreads]) {
        expect(() => set(threads)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
      }
    }
  })
})
