import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'

import { fixture, root, temporaryFolder } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const busy = expect.objectContaining({ code: 'ERR_BUSY' })
const load = (name = 'noisy') => ScriptModule.load(fixture(`modes.${name}.pt`))
const x = (rows = 5) => randn([rows, 6], rows, 'float64')
const modesOf = (model: ScriptModule) =>
  Object.fromEntries(model.modules().map(({ path }) => [path, model.submodule(path).training]))
const bufferValues = (model: ScriptModule) =>
  [...model.namedBuffers().values()].map((buffer) => buffer.toArray())

/** What a module in eval mode gives, from its weights alone. */
function expectedOf(model: ScriptModule, input: Tensor): Tensor {
  const tensors = new Map([...model.namedParameters(), ...model.namedBuffers()])
  const [w1, b1, mean, variance, gamma, beta, w2, b2] = [
    'first.weight',
    'first.bias',
    'norm.running_mean',
    'norm.running_var',
    'norm.weight',
    'norm.bias',
    'fc.weight',
    'fc.bias',
  ].map((name) => tensors.get(name)!)
  const hidden = input
    .matmul(w1!.t())
    .add(b1!)
    .sub(mean!)
    .div(variance!.add(1e-5).sqrt())
    .mul(gamma!)
    .add(beta!)
  return hidden.clamp({ min: 0 }).matmul(w2!.t()).add(b2!)
}

const close = (a: Tensor, b: Tensor) => torch.allclose(a, b, { rtol: 1e-12, atol: 1e-12 })

describe('a view that holds a module in eval mode', () => {
  it('computes as in eval mode, leaves the statistics, and gives each part its mode back', async () => {
    const model = (await load()).train()
    model.submodule('norm').eval()
    const before = bufferValues(model)
    {
      using view = model.view({ eval: true })
      expect([view.training, model.training]).toEqual([false, false])
      expect(Object.values(modesOf(model))).not.toContain(true)
      expect(close(await view.forward(x()), expectedOf(model, x()))).toBe(true)
    }
    expect(modesOf(model)).toEqual({ '': true, first: true, norm: false, dropout: true, fc: true })
    expect(bufferValues(model)).toEqual(before)
  })

  it('is counted: the last one gives the mode back', async () => {
    const model = (await load()).train()
    const views = [1, 2, 3].map(() => model.view({ eval: true }))
    for (const view of views) {
      expect(model.training).toBe(false)
      expect(close(await view.forward(x()), expectedOf(model, x()))).toBe(true)
      view.dispose()
      view.dispose()
    }
    expect(model.training).toBe(true)
  })

  it('holds parts too that are in train mode if the root is not', async () => {
    const model = (await load()).eval()
    model.submodule('norm').train()
    using view = model.view({ eval: true })
    expect(close(await view.forward(x()), expectedOf(model, x()))).toBe(true)
    expect(modesOf(model).norm).toBe(false)
    view.dispose()
    expect(modesOf(model)).toEqual({ '': false, first: false, norm: true, dropout: false, fc: false })
  })

  it('of a module and of its part are counted apart', async () => {
    const model = (await load()).train()
    const whole = model.view({ eval: true })
    const part = model.submodule('norm').view({ eval: true })
    whole.dispose()
    expect(modesOf(model)).toEqual({ '': true, first: true, norm: false, dropout: true, fc: true })
    await expect(model.forward(x())).rejects.toEqual(busy)
    part.dispose()
    expect(modesOf(model).norm).toBe(true)
    await model.forward(x())
  })

  it('lets nobody change the module, and says so', async () => {
    const model = (await load()).train()
    const state = new Map([...model.stateDict()].map(([name, tensor]) => [name, tensor.clone()]))
    const others = [model, model.view(), ScriptModule.fromShared(model.share()), model.submodule('norm')]
    const attribute = model.attribute('norm') as ScriptModule
    const view = model.view({ eval: true })
    for (const other of [...others, attribute, view]) {
      expect(() => other.train()).toThrow(busy)
      expect(() => other.eval()).toThrow(busy)
      await expect(other.to({ dtype: 'float32' })).rejects.toEqual(busy)
    }
    expect(() => model.loadStateDict(state)).toThrow(busy)
    expect(() => model.setAttribute('training', true)).toThrow(busy)
    expect(() => model.train()).toThrow(/an evaluation, capture or shift/)
    expect(close(await view.forward(x()), expectedOf(model, x()))).toBe(true)
    view.dispose()
    expect(modesOf(model)).toEqual({ '': true, first: true, norm: true, dropout: true, fc: true })
    model.loadStateDict(state)
    model.eval()
    await expect(model.to({ dtype: 'float32' })).rejects.toThrow(/before share\(\)/) // no view is in its way now
    const alone = await load()
    alone.view({ eval: true }).dispose()
    await alone.to({ dtype: 'float32' })
  })

  it('refuses calls of others if the module came in train mode: they would run in eval mode', async () => {
    const model = (await load()).train()
    const before = bufferValues(model)
    const view = model.view({ eval: true })
    for (const other of [
      model,
      model.view(),
      ScriptModule.fromShared(model.share()),
      model.submodule('norm'),
    ]) {
      const input = other.path.endsWith(':norm') ? randn([5, 8], 1, 'float64') : x()
      await expect(other.forward(input)).rejects.toEqual(busy)
    }
    await expect(model.forward(x())).rejects.toThrow(/would run in eval mode/)
    view.dispose()
    await model.forward(x())
    expect(model.namedBuffers().get('norm.num_batches_tracked')!.item()).toBe(1)
    expect(bufferValues(model)).not.toEqual(before)
  })

  it('lets others call a module that came in eval mode, and eval() do nothing', async () => {
    const model = (await load()).eval()
    using view = model.view({ eval: true })
    model.eval()
    const outputs = await Promise.all([model.forward(x()), view.forward(x()), model.view().forward(x())])
    for (const output of outputs) expect(close(output, expectedOf(model, x()))).toBe(true)
    expect(() => model.train()).toThrow(busy)
    view.dispose()
    model.train()
  })

  it('is refused while calls in train mode are pending, and leaves that mode', async () => {
    const model = (await load()).train()
    const pending = model.forward(x())
    expect(() => model.view({ eval: true })).toThrow(busy)
    expect(modesOf(model)).toEqual({ '': true, first: true, norm: true, dropout: true, fc: true })
    await pending
    using view = model.view({ eval: true })
    const calls = [view.forward(x()), view.forward(x())]
    using second = model.view({ eval: true }) // under calls of the first
    expect(close(await second.forward(x()), (await Promise.all(calls))[0]!)).toBe(true)
  })

  it('gives the mode back after its pending calls if it is disposed of before', async () => {
    const model = (await load()).train()
    let pending: Promise<Tensor>
    {
      using view = model.view({ eval: true })
      pending = view.forward(x())
    }
    expect(close(await pending, expectedOf(model, x()))).toBe(true)
    expect(model.training).toBe(true)
  })

  it('has gradients and hooks as any module', async () => {
    const model = (await load()).train()
    using view = model.view({ eval: true })
    const heard: unknown[] = []
    view.registerForwardPreHook('fc', ({ inputs: [input] }) => heard.push((input as Tensor).shape))
    const bias = model.namedParameters().get('fc.bias')!
    const [gradient] = await torch.autograd.grad([(await view.forward(x())).sum()], [bias])
    expect([gradient!.toArray(), heard]).toEqual([[5, 5, 5], [[5, 8]]])
  })
})

describe('copies of a module that is held', () => {
  it('are in the mode in which it came', async () => {
    const model = (await load()).train()
    model.submodule('norm').eval()
    const modes = modesOf(model)
    using view = model.view({ eval: true })
    expect(modesOf(await model.clone())).toEqual(modes)
    const path = join(temporaryFolder(), 'held.pt')
    await model.save(path)
    expect(modesOf(await ScriptModule.load(path))).toEqual(modes)
    expect((await view.clone()).training).toBe(false)
    expect(Object.values(modesOf(model))).not.toContain(true)
  })
})

describe('weights that change under a view that holds the module', () => {
  it.each([
    ['in place', (w: Tensor) => w.add_(1)],
    ['by an index', (w: Tensor) => w.setAt(0, 1)],
    ['through a view', (w: Tensor) => w.detach().at(0).zero_()],
    ['on the lane', (w: Tensor) => torch.async.mul_(w, 2)],
    ['in a list', (w: Tensor) => torch._foreach_mul_([w], 2)],
    ['by an out variant', (w: Tensor) => torch.add(w.detach().clone(), 1, { out: w.detach() })],
  ])('%s end its next call, with their name', async (_, write) => {
    const model = (await load()).eval()
    using view = model.view({ eval: true })
    await view.forward(x())
    await torch.noGrad(() => write(model.namedParameters().get('fc.weight')!))
    await expect(view.forward(x())).rejects.toEqual(busy)
    await expect(view.forward(x())).rejects.toThrow("'fc.weight' was written to")
    await expect(view.clone()).rejects.toEqual(busy)
    // The module itself, and a view that is made now, are well.
    using anew = model.view({ eval: true })
    expect(close(await anew.forward(x()), await model.forward(x()))).toBe(true)
  })

  it('include buffers, but not those that the calls of the view itself write to', async () => {
    const model = (await load()).eval()
    using view = model.view({ eval: true })
    torch.noGrad(() => model.namedBuffers().get('norm.running_mean')!.add_(1))
    await expect(view.forward(x())).rejects.toThrow("'norm.running_mean' was written to")

    const counting = await load('counting')
    const alone = await counting.clone()
    using held = counting.view({ eval: true })
    for (let i = 0; i < 3; i++) expect(close(await held.forward(x()), await alone.forward(x()))).toBe(true)
    await counting.forward(x()) // its outputs depend on the calls of others
    await expect(held.forward(x())).rejects.toEqual(busy)
  })
})

describe('hooks of the module under a view that holds it', () => {
  it('that replace may not be removed; those that observe may, and those that are set are not heard', async () => {
    const model = (await load()).eval()
    const heard: string[] = []
    const observing = model.registerForwardHook('fc', () => void heard.push('observing'))
    const doubling = model.registerForwardHook('fc', ({ output }) => (output as Tensor).mul(2), {
      replace: true,
    })
    using view = model.view({ eval: true })
    expect(close(await view.forward(x()), expectedOf(model, x()).mul(2))).toBe(true)
    observing.remove()
    model.registerForwardHook('fc', ({ output }) => (output as Tensor).mul(0), { replace: true })
    expect(close(await view.forward(x()), expectedOf(model, x()).mul(2))).toBe(true)
    expect(heard).toEqual(['observing'])
    doubling.remove()
    await expect(view.forward(x())).rejects.toEqual(busy)
    await expect(view.forward(x())).rejects.toThrow("the hook on 'fc' that replaces was removed")
  })
})

describe('a module that threads share', () => {
  const code = (work: string) => `
    import(${JSON.stringify(`${root}/dist/index.js`)}).then(async ({ ScriptModule, torch }) => {
      const { parentPort, workerData } = require('node:worker_threads')
      const model = ScriptModule.fromShared(workerData)
      let view
      parentPort.on('message', async (task) => {
        try {
          if (task === 'hold') view = model.view({ eval: true })
          if (task === 'train') model.train()
          if (task === 'forward') await model.forward(torch.ones([2, 6], { dtype: 'float64' }))
          if (task === 'release') view.dispose()
          parentPort.postMessage('done')
        } catch (error) {
          parentPort.postMessage(error.code)
        }
        if (task === 'leave') parentPort.close()
      })
      ${work}
      parentPort.postMessage('ready')
    })`

  async function start(model: ScriptModule) {
    const worker = new Worker(code(''), { eval: true, workerData: model.share() })
    await once(worker, 'message')
    return {
      worker,
      ask: async (task: string) => {
        worker.postMessage(task)
        return (await once(worker, 'message'))[0] as string
      },
    }
  }

  it('is held for all of them', async () => {
    const model = (await load()).train()
    const { worker, ask } = await start(model)
    expect(await ask('hold')).toBe('done')
    expect(model.training).toBe(false)
    expect(() => model.train()).toThrow(busy)
    await expect(model.forward(x())).rejects.toEqual(busy)
    const own = model.view({ eval: true })
    expect(await ask('release')).toBe('done')
    expect(model.training).toBe(false)
    expect([await ask('train'), await ask('forward')]).toEqual(['ERR_BUSY', 'ERR_BUSY'])
    own.dispose()
    expect([model.training, await ask('train'), await ask('forward')]).toEqual([true, 'done', 'done'])
    expect(await ask('leave')).toBe('done')
    await once(worker, 'exit')
  })

  it('is given back by a thread that ends, also if it was terminated', async () => {
    const model = (await load()).train()
    for (const end of ['leave', 'terminate']) {
      const { worker, ask } = await start(model)
      expect(await ask('hold')).toBe('done')
      expect(model.training).toBe(false)
      const gone = once(worker, 'exit')
      if (end === 'leave') worker.postMessage('leave')
      else await worker.terminate()
      await gone
      for (let i = 0; i < 100 && !model.training; i++) await setTimeout(20)
      expect(model.training).toBe(true)
    }
    await model.forward(x())
  })
})
