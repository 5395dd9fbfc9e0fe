import { describe, expect, it } from 'vitest'
import { memoryStats, ScriptModule, type Tensor, torch } from '../../../src/index.js'

import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const load = async () => (await ScriptModule.load(fixture('wiring.scripted.pt'))).eval()
const x = (rows: number) => randn([rows, 8], rows)
const rowsOf = (value: unknown) => (value as Tensor).shape[0]

describe('hooks of a view', () => {
  it("hear the view's calls alone, each once, while the module and other views are called", async () => {
    const model = await load()
    const heard: (number | undefined)[][] = [[], [], []]
    const views = [1, 2, 3].map(() => model.view())
    for (const [i, view] of views.entries()) {
      view.registerForwardPreHook('fc', ({ inputs: [input] }) => heard[i]!.push(rowsOf(input)))
    }
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => (i % 4 === 3 ? model : views[i % 4]!).forward(x(i + 1))),
    )
    expect(heard).toEqual([
      [1, 5, 9],
      [2, 6, 10],
      [3, 7, 11],
    ])
    expect([model.hooked, ...views.map(({ hooked }) => hooked)]).toEqual([false, true, true, true])
  })

  it('replace in its calls alone, with gradients through them', async () => {
    const model = await load()
    const view = model.view()
    view.registerForwardHook('fc', ({ output }) => (output as Tensor).mul(3), { replace: true })
    const [plain, tripled, after] = await Promise.all([
      model.forward(x(2)),
      view.forward(x(2)),
      model.forward(x(2)),
    ])
    expect(torch.allclose(tripled, plain.mul(3))).toBe(true)
    expect(torch.equal(after, plain)).toBe(true)
    const bias = model.namedParameters().get('fc.bias')!
    const [gradient] = await torch.autograd.grad([tripled.sum()], [bias])
    expect(gradient!.toArray()).toEqual([6, 6, 6, 6])
  })

  it('begin with those of the module, until these are removed there; later ones are not theirs', async () => {
    const model = await load()
    const heard: string[] = []
    const first = model.registerForwardHook('fc', () => void heard.push('first'))
    const view = model.view()
    model.registerForwardHook('fc', () => void heard.push('later'))
    const own = view.registerForwardHook('fc', () => void heard.push('own'))
    await view.forward(x(1))
    expect(heard.splice(0)).toEqual(['first', 'own'])
    first.remove()
    await view.forward(x(1))
    expect(heard.splice(0)).toEqual(['own'])
    own.remove()
    await view.forward(x(1))
    expect([heard.splice(0), view.hooked]).toEqual([[], false])
    await model.forward(x(1))
    expect(heard).toEqual(['later'])
  })

  it('end with it, and leave the module as it was; its pending calls still tell', async () => {
    const model = await load()
    const expected = await torch.noGrad(() => model.forward(x(2)))
    const heard: number[] = []
    let pending: Promise<Tensor>
    {
      using view = model.view()
      view.registerForwardHook('**', () => void heard.push(1))
      pending = torch.noGrad(() => view.forward(x(2)))
    }
    expect(torch.equal(await pending, expected)).toBe(true)
    expect(heard.length).toBeGreaterThan(5)
    expect(model.hooked).toBe(false)
    expect(torch.equal(await torch.noGrad(() => model.forward(x(2))), expected)).toBe(true)
  })
})

describe('a view', () => {
  it('has the weights and the mode of the module', async () => {
    const model = await load()
    const view = model.view()
    torch.noGrad(() => view.namedParameters().get('fc.bias')!.fill_(5))
    expect(model.namedParameters().get('fc.bias')!.toArray()).toEqual([5, 5, 5, 5])
    model.train()
    expect(view.training).toBe(true)
    expect(view.path).toBe(model.path)
  })

  it('counts as the module if that would change under its calls', async () => {
    const model = await load()
    const view = model.view()
    const pending = view.forward(x(1))
    const busy = expect.objectContaining({ code: 'ERR_BUSY' })
    expect(() => model.train()).toThrow(busy)
    await expect(model.to({ dtype: 'float64' })).rejects.toEqual(busy)
    expect(() => model.loadStateDict(model.stateDict())).toThrow(busy)
    await pending
    model.train()
  })

  it('of a module that was disposed of continues; of one that is gone there is none', async () => {
    const model = await load()
    const view = model.view()
    const expected = await torch.noGrad(() => model.forward(x(1)))
    model.dispose()
    expect(torch.equal(await torch.noGrad(() => view.forward(x(1))), expected)).toBe(true)
    expect(() => model.view()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
  })
})

describe('the handle of a hook', () => {
  it('removes it at the end of a using, also if the block throws', async () => {
    const model = await load()
    const heard: number[] = []
    const failing = async () => {
      using _hook = model.registerForwardHook('fc', () => void heard.push(1))
      await model.forward(x(1))
      throw new Error('after the first')
    }
    await expect(failing()).rejects.toThrow('after the first')
    await model.forward(x(1))
    expect([heard, model.hooked]).toEqual([[1], false])
  })

  it('does so for the hook of a gradient', async () => {
    const w = torch.ones([2]).requires_grad_()
    {
      using _hook = w.registerHook((gradient) => gradient.mul(2))
      expect((await torch.autograd.grad([w.sum()], [w]))[0]!.toArray()).toEqual([2, 2])
    }
    expect((await torch.autograd.grad([w.sum()], [w]))[0]!.toArray()).toEqual([1, 1])
  })

  it('leaves no tensor behind', async () => {
    const model = await load()
    const before = memoryStats().tensors
    for (let i = 0; i < 5; i++) {
      using view = model.view()
      view.registerForwardHook('fc', ({ output }) => (output as Tensor).dispose())
      using input = x(1)
      ;(await torch.noGrad(() => view.forward(input))).dispose()
    }
    expect(memoryStats().tensors).toBe(before)
  })
})
