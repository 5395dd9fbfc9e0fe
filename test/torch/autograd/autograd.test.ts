import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { hvp, ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { hvpOfGradients } from '../../../src/torch/index.js'

import { demoModel, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const squares = (tensors: readonly Tensor[]) =>
  Math.sqrt(tensors.reduce((sum, tensor) => sum + tensor.to('float64').square().sum().item(), 0))

describe.each([
  ['demo', demoModel, [8, 1, 28, 28], 10],
  ['mlp.scripted', fixture('mlp.scripted.pt'), [5, 6], 3],
] as const)('hvp of %s', (_, file, shape, classes) => {
  it("agrees with PyTorch's autograd, three times over", async () => {
    const python = await reference('hvp', { model: file, shape, seed: 5, classes, vectorSeed: 6 })
    const model = (await ScriptModule.load(file)).eval()
    const parameters = model.parameters().filter((parameter) => parameter.requiresGrad)
    const dtype = parameters[0]!.dtype
    const generator = new torch.Generator(6)
    const vector = parameters.map((parameter) => torch.randn([...parameter.shape], { generator, dtype }))
    const labels = torch.tensor(
      Array.from({ length: shape[0] }, (_, i) => i % classes),
      { dtype: 'int64' },
    )
    for (let run = 0; run < 3; run++) {
      const loss = torch.cross_entropy_loss(await model.forward(randn([...shape], 5, dtype)), labels)
      expect(loss.item()).toBeCloseTo(python.loss, 5)
      const products = await hvp(loss, parameters, vector)
      expect(Math.abs(squares(products) / python.norm - 1)).toBeLessThan(1e-4)
      products.forEach((product, i) => {
        const head = product.reshape([-1]).toTypedArray().slice(0, 5)
        for (const [k, value] of (python.products[i] as number[]).entries()) {
          // Relative to the vector's size: single entries may be near zero.
          expect(Math.abs(Number(head[k]) - value)).toBeLessThan(1e-4 * python.norm)
        }
      })
    }
  })
})

describe('grad', () => {
  it('gives null for unused inputs on request, an error otherwise', async () => {
    const [x, unused] = [torch.ones([1], {}), torch.ones([1], {})]
    x.requiresGrad = true
    unused.requiresGrad = true
    const [slope, nothing] = await torch.autograd.grad([x.mul(3).sum()], [x, unused], { allowUnused: true })
    expect([slope!.item(), nothing]).toEqual([3, null])
    await expect(torch.autograd.grad([x.mul(3).sum()], [unused])).rejects.toMatchObject({ code: 'ERR_TORCH' })
  })

  it('multiplies by vectors from the left', async () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    const [product] = await torch.autograd.grad([x.square()], [x], { gradOutputs: [torch.tensor([10, 100])] })
    expect(product!.toArray()).toEqual([20, 400])
  })

  it('says that a graph was used up', async () => {
    const x = torch.tensor([1], { requiresGrad: true })
    const y = x.square().sum()
    await torch.autograd.grad([y], [x])
    await expect(torch.autograd.grad([y], [x])).rejects.toThrow(/second time/)
  })
})

describe('requiresGrad', () => {
  it('is of leaves with real or complex elements, as in Python', () => {
    const computed = torch.ones([2]).requires_grad_().mul(2)
    const refused = expect.objectContaining({ code: 'ERR_TORCH' })
    expect(() => {
      computed.requiresGrad = false
    }).toThrow(refused)
    expect(() => {
      torch.ones([2], { dtype: 'int64' }).requiresGrad = true
    }).toThrow(refused)
    expect(computed.requiresGrad).toBe(true)
  })
})

describe('hvp', () => {
  it('is zero for a linear function', async () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    const [product] = await hvp(x.sum(), [x], [torch.ones([2])])
    expect(product!.toArray()).toEqual([0, 0])
  })

  it('refuses a vector of another number of tensors', async () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    await expect(hvp(x.square().sum(), [x], [])).rejects.toMatchObject({ code: 'ERR_SHAPE' })
  })
})

describe('hvpOfGradients', () => {
  it('gives one product after another from a graph that is kept', async () => {
    // f = Σ x³, H = diag(6x)
    const x = torch.tensor([1, 2], { requiresGrad: true })
    const gradients = await torch.autograd.grad([x.pow(3).sum()], [x], { createGraph: true })
    for (const [vector, expected] of [
      [
        [1, 0],
        [6, 0],
      ],
      [
        [0, 1],
        [0, 12],
      ],
    ] as const) {
      const [product] = await hvpOfGradients(gradients, [x], [torch.tensor([...vector])], true)
      expect(product!.toArray()).toEqual(expected)
    }
    await hvpOfGradients(gradients, [x], [torch.ones([2])], false)
    await expect(hvpOfGradients(gradients, [x], [torch.ones([2])], false)).rejects.toThrow(/second time/)
  })
})

describe('backward', () => {
  const leaf = (...values: number[]) => torch.tensor(values, { requiresGrad: true })

  it('adds to the gradients of all leaves', async () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)]
    expect([a.grad, b.grad]).toEqual([null, null])
    await a.mul(b).sum().backward()
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
      [3, 4],
      [1, 2],
    ])
    await a.mul(b).sum().backward()
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
      [6, 8],
      [2, 4],
    ])
    a.grad = null
    await a.square().sum().backward()
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
      [2, 4],
      [2, 4],
    ])
  })

  it('of several outputs adds up their gradients', async () => {
    const a = leaf(1, 2)
    await torch.autograd.backward([a.sum(), a.square()], {
      gradOutputs: [torch.tensor(1), torch.tensor([10, 100])],
    })
    expect(a.grad!.toArray()).toEqual([21, 401])
  })

  it('adds to the given inputs alone', async () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)]
    await a
      .mul(b)
      .sum()
      .backward({ inputs: [b] })
    expect([a.grad, b.grad!.toArray()]).toEqual([null, [1, 2]])
  })

  it('takes the gradient of an output that is no scalar, and wants one', async () => {
    const a = leaf(1, 2)
    await a.square().backward({ gradient: torch.tensor([1, 10]) })
    expect(a.grad!.toArray()).toEqual([2, 40])
    await expect(a.square().backward()).rejects.toThrow(/scalar outputs/)
    await expect(a.square().backward({ gradient: torch.ones([3]) })).rejects.toThrow(/\[3\].*\[2\]/s)
    await expect(torch.ones([1]).backward()).rejects.toThrow(/does not require grad/)
  })

  it('uses up the graph unless it is to be kept', async () => {
    const a = leaf(1, 2)
    const kept = a.square().sum()
    await kept.backward({ retainGraph: true })
    await kept.backward()
    expect(a.grad!.toArray()).toEqual([4, 8])
    await expect(kept.backward()).rejects.toMatchObject({
      code: 'ERR_TORCH',
      message: expect.stringMatching(/second time/),
    })
  })

  it('with createGraph makes gradients that are differentiable', async () => {
    const a = leaf(1, 2)
    await a.pow(3).sum().backward({ createGraph: true })
    const gradient = a.grad!
    expect([gradient.toArray(), gradient.requiresGrad]).toEqual([[3, 12], true])
    a.grad = null
    await gradient.sum().backward()
    expect(a.grad!.toArray()).toEqual([6, 12])
  })

  it("reaches a module's parameters", async () => {
    const module = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const x = randn([5, 6], 1, 'float64')
    const parameters = module.parameters()
    const gradients = await torch.autograd.grad([(await module.forward(x)).square().sum()], parameters)
    await (await module.forward(x)).square().sum().backward()
    module.parameters().forEach((parameter, i) => {
      expect(parameter.grad!.toArray()).toEqual(gradients[i]!.toArray())
    })
  })
})

describe('tensor.grad', () => {
  it('is the memory that backward adds to, and may be set', async () => {
    const a = torch.tensor([1, 2], { requiresGrad: true })
    a.grad = torch.tensor([10, 20])
    const held = a.grad!
    await a.sum().backward()
    expect([a.grad!.toArray(), held.toArray()]).toEqual([
      [11, 21],
      [11, 21],
    ])
    torch.noGrad(() => a.grad!.zero_())
    expect(held.toArray()).toEqual([0, 0])
    a.grad = null
    expect(a.grad).toBeNull()
    a.grad = null
  })

  it.each([
    ['shape', torch.ones([3])],
    ['dtype', torch.ones([2], { dtype: 'float64' })],
  ])('refuses a gradient of another %s', (_, gradient) => {
    const a = torch.tensor([1, 2], { requiresGrad: true })
    expect(() => {
      a.grad = gradient
    }).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }))
    expect(a.grad).toBeNull()
  })

  it('is null if nothing was gathered', () => {
    const x = torch.tensor([1], { requiresGrad: true })
    expect([torch.ones([1]).grad, x.grad, x.mul(2).grad]).toEqual([null, null, null])
  })
})

describe('detectAnomaly', () => {
  it.each([false, true])('names the operator that made NaN, if createGraph is %s', async (createGraph) => {
    const x = torch.tensor([0], { requiresGrad: true })
    const nan = () => x.mul(0).sqrt().mul(0).sum() // 0 · ∞ in the backward of sqrt
    expect((await torch.autograd.grad([nan()], [x]))[0]!.isnan().item()).toBe(1)
    await torch.autograd.detectAnomaly(async () => {
      await setTimeout(1)
      await expect(torch.autograd.grad([nan()], [x], { createGraph })).rejects.toMatchObject({
        code: 'ERR_TORCH',
        message: expect.stringMatching(/'SqrtBackward0' returned nan values/),
      })
      await expect(nan().backward()).rejects.toThrow(/SqrtBackward0/)
    })
    expect((await torch.autograd.grad([nan()], [x]))[0]!.isnan().item()).toBe(1)
  })
})

describe('modes', () => {
  it('hold across await, for the lane too, and are not seen by what interleaves', async () => {
    const x = torch.tensor([1], { requiresGrad: true })
    const module = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const input = randn([1, 6], 1, 'float64')
    const recorded = async () => {
      const before = x.mul(2).requiresGrad
      await setTimeout(1)
      const [product, output] = [await torch.async.mul(x, 2), await module.forward(input)]
      await null
      return [torch.isGradEnabled(), before, product.requiresGrad, output.requiresGrad, x.mul(2).requiresGrad]
    }
    const [plain, without, within, inference] = await Promise.all([
      recorded(),
      torch.noGrad(recorded),
      torch.noGrad(() => torch.enableGrad(recorded)),
      torch.inferenceMode(recorded),
    ])
    expect(plain).toEqual(Array(5).fill(true))
    expect(without).toEqual(Array(5).fill(false))
    expect(within).toEqual(Array(5).fill(true))
    expect(inference).toEqual(Array(5).fill(false))
    expect(torch.isGradEnabled()).toBe(true)
  })

  it('end if their body throws', async () => {
    await expect(
      torch.noGrad(async () => {
        await setTimeout(1)
        throw new Error('mine')
      }),
    ).rejects.toThrow('mine')
    expect(() =>
      torch.noGrad(() => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
    expect(torch.isGradEnabled()).toBe(true)
  })
})
