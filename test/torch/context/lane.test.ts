import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { ScriptModule, slice, type Tensor, torch } from '../../../src/index.js'
import { pendingCalls, setQueueLimit, withSignal } from '../../../src/torch/index.js'

import { demoModel, fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

/** A module whose forward stops in the middle, the lane waiting, and runs `inside` on this thread. */
async function stopping(inside: () => void): Promise<ScriptModule> {
  const module = (await ScriptModule.load(fixture('wiring.scripted.pt'))).eval()
  module.registerForwardHook('step', () => inside() as undefined, { replace: true })
  return module
}

const x = () => randn([2, 8], 1)

describe('asynchronous calls', () => {
  it('run in the order in which they were made, whatever they are', async () => {
    const module = (await ScriptModule.load(fixture('mlp.scripted.pt'))).eval()
    const input = torch.ones([1, 4]).requires_grad_()
    const done: string[] = []
    const note = (name: string) => () => void done.push(name)
    await Promise.all([
      torch.async.matmul(torch.ones([600, 600]), torch.ones([600, 600])).then(note('matmul')),
      torch.autograd.grad([input.sum()], [input]).then(note('grad')),
      torch.async.add(input, 1).then(note('add')),
      module.call('no_such_method').catch(note('failure')),
      module.clone().then(note('clone')),
      torch.async.neg(input).then(note('neg')),
    ])
    expect(done).toEqual(['matmul', 'grad', 'add', 'failure', 'clone', 'neg'])
  })

  it('see what those before them wrote', async () => {
    const a = torch.ones([2])
    const [, product] = await Promise.all([
      torch.async.add_(a, 1),
      torch.async.mul(a, 5),
      torch.async.mul_(a, 3),
    ])
    expect([product!.toArray(), a.toArray()]).toEqual([
      [10, 10],
      [6, 6],
    ])
  })

  it('are counted until they are answered', async () => {
    const calls = [torch.async.neg(x()), torch.async.neg(x())]
    expect(pendingCalls()).toBe(2)
    await Promise.all(calls)
    expect(pendingCalls()).toBe(0)
  })

  it('are not waited for by synchronous operators', async () => {
    let sum: number | undefined
    const module = await stopping(() => {
      sum = torch.ones([3]).add(1).sum().item()
    })
    const pending = module.forward(x())
    // The lane stops until this thread answers its hook: waiting for it here would never end.
    expect(torch.ones([3]).mul(2).sum().item()).toBe(6)
    await pending
    expect(sum).toBe(6)
  })
})

describe('withSignal', () => {
  it('rejects with its reason what has not begun, and lets finish what has', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const module = await stopping(() => controller.abort(reason))
    const calls = withSignal(controller.signal, () => [
      module.forward(x()),
      torch.async.neg(x()),
      torch.autograd.grad([x().requires_grad_().sum()], [x()]),
    ])
    const outside = torch.async.neg(x())
    const results = await Promise.allSettled([...calls, outside])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect((results[1] as PromiseRejectedResult).reason).toBe(reason)
    expect((results[2] as PromiseRejectedResult).reason).toBe(reason)
  })

  it('begins nothing under a signal that is aborted already', async () => {
    const reason = new Error('before')
    const call = withSignal(AbortSignal.abort(reason), () => torch.async.neg(x()))
    expect(pendingCalls()).toBe(0)
    await expect(call).rejects.toBe(reason)
  })

  it('leaves no listener on a signal that outlives its calls', async () => {
    const { signal } = new AbortController()
    const failing = () => torch.async.matmul(torch.ones([2, 3]), torch.ones([2, 3]))
    await withSignal(signal, async () => {
      for (let i = 0; i < 3; i++) await torch.async.neg(x())
      await expect(failing()).rejects.toThrow()
    })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('holds across await, and by a timeout', async () => {
    const long = Promise.all(
      Array.from({ length: 8 }, () => torch.async.matmul(torch.ones([900, 900]), torch.ones([900, 900]))),
    )
    const short = withSignal(AbortSignal.timeout(1), async () => {
      await Promise.resolve()
      return await torch.async.neg(x())
    })
    await expect(short).rejects.toMatchObject({ name: 'TimeoutError' })
    await long
  })

  it('lets memory that a rejected call used be written to at once', async () => {
    const a = x()
    const controller = new AbortController()
    const module = await stopping(() => controller.abort())
    const first = module.forward(x())
    const second = withSignal(controller.signal, () => torch.async.neg(a))
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    a.add_(1)
    await first
  })
})

describe('the queue', () => {
  afterEach(() => setQueueLimit(4096))

  it('refuses what goes beyond its limit, and takes more once some is done', async () => {
    setQueueLimit(2)
    const calls = [1, 2, 3].map(() => torch.async.neg(x()))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect((results[2] as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_QUEUE_FULL' })
    await expect(torch.async.neg(x())).resolves.toBeDefined()
  })

  it('takes whole numbers of at least 1 as its limit', () => {
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => setQueueLimit(limit)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    }
  })
})

describe('a write to memory of a pending call', () => {
  const busy = expect.objectContaining({ code: 'ERR_BUSY' })

  /** Each write is refused while `begin`'s call is pending, and done after. */
  async function expectRefused(begin: () => Promise<unknown>, writes: (() => unknown)[]): Promise<void> {
    const pending = begin()
    for (const write of writes) expect(() => torch.noGrad(write), String(write)).toThrow(busy)
    await pending
    for (const write of writes) torch.noGrad(write)
  }

  it('is refused: in place, through a view, by out variants, in lists, by an index', async () => {
    const a = randn([4, 4], 1)
    const b = randn([4, 4], 2)
    const indices = torch.zeros([4, 4], { dtype: 'int64' })
    await expectRefused(
      () => torch.async.matmul(a, b),
      [
        () => a.add_(1),
        () => b.zero_(),
        () => a.normal_(),
        () => a.at(0).add_(1),
        () => a.T.at(slice(1)).zero_(),
        () => a.detach().mul_(2),
        () => a.setAt(0, 1),
        () => torch.add(torch.ones([4, 4]), 1, { out: a }),
        () => torch.sort(torch.ones([4, 4]), { values: a, indices }),
        () => torch._foreach_add_([torch.ones([2]), b], 1),
        () => a.resize_([2, 2]),
      ],
    )
  })

  it('is refused if the call holds it in a list', async () => {
    const parts = [torch.ones([2]), torch.ones([2])]
    await expectRefused(() => torch.async.cat(parts), [() => parts[1]!.add_(1)])
  })

  it('is refused for parameters and buffers of a module that runs, and for its inputs', async () => {
    const module = (await ScriptModule.load(demoModel)).eval()
    const state = module.stateDict()
    const input = torch.rand([2, 1, 28, 28])
    const weight = module.namedParameters().get('fc.weight')!
    const mean = module.namedBuffers().get('bn1.running_mean')!
    await expectRefused(
      () => module.forward(input),
      [
        () => weight.add_(0),
        () => weight.at(0).mul_(1),
        () => mean.zero_(),
        () => input.zero_(),
        () => torch._foreach_mul_(module.parameters(), 1),
        () => module.loadStateDict(state),
        () => module.train(),
      ],
    )
  })

  it('is refused for what a submodule shares, and not for what no call uses', async () => {
    const module = (await ScriptModule.load(demoModel)).eval()
    const part = module.submodule('fc')
    const [weight] = part.parameters()
    await expectRefused(() => module.forward(torch.rand([1, 1, 28, 28])), [() => weight!.add_(0)])
    const other = torch.ones([2])
    const pending = torch.async.neg(x())
    other.add_(1)
    await pending
  })

  it('is refused for the tensors of a gradient', async () => {
    const leaf = torch.ones([2]).requires_grad_()
    const covector = torch.ones([2])
    const output = leaf.mul(2)
    await expectRefused(
      () => torch.autograd.grad([output], [leaf], { gradOutputs: [covector] }),
      [() => leaf.add_(1), () => covector.zero_(), () => output.detach().zero_()],
    )
  })

  it('is refused for the grad of what a pending backward depends on', async () => {
    const weight = torch.ones([2]).requires_grad_()
    const clear = () => {
      weight.grad = null
    }
    await weight.sum().backward()
    await expectRefused(() => weight.mul(2).square().sum().backward(), [clear])
    await weight.sum().backward()
    expect(weight.grad!.toArray()).toEqual([1, 1])
  })

  it('is named in the error with the call that uses it', async () => {
    const a = x()
    const pending = torch.async.neg(a)
    expect(() => a.add_(1)).toThrow(/add_ would write to memory that the pending call of aten::neg uses/)
    const read: Tensor = a.add(1) // reading is free
    expect(read.shape).toEqual([2, 8])
    await pending
  })
})
