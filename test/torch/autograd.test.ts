import { describe, expect, it } from 'vitest'

import { Generator, grad, hvp, ScriptModule, type Tensor, torch } from '../../src/index.js'
import { demoModel, fixture } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'

const squares = (tensors: readonly Tensor[]) =>
  Math.sqrt(tensors.reduce((sum, tensor) => sum + tensor.to('float64').square().sum().item(), 0))

describe.each([
  ['demo', demoModel, [8, 1, 28, 28], 10],
  ['resnet18.scripted', fixture('resnet18.scripted.pt'), [4, 3, 64, 64], 10],
  ['shufflenet_v2_x1_0.scripted', fixture('shufflenet_v2_x1_0.scripted.pt'), [4, 3, 64, 64], 10],
  ['mlp.scripted', fixture('mlp.scripted.pt'), [5, 6], 3],
] as const)('hvp of %s', (_, file, shape, classes) => {
  it("agrees with PyTorch's autograd, three times over", async () => {
    const python = await reference('hvp', { model: file, shape, seed: 5, classes, vectorSeed: 6 })
    const model = (await ScriptModule.load(file)).eval()
    const parameters = model.parameters().filter((parameter) => parameter.requiresGrad)
    const dtype = parameters[0]!.dtype
    const generator = new Generator(6)
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
    const [slope, nothing] = await grad([x.mul(3).sum()], [x, unused], { allowUnused: true })
    expect([slope!.item(), nothing]).toEqual([3, null])
    await expect(grad([x.mul(3).sum()], [unused])).rejects.toMatchObject({ code: 'ERR_TORCH' })
  })

  it('multiplies by vectors from the left', async () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    const [product] = await grad([x.square()], [x], { gradOutputs: [torch.tensor([10, 100])] })
    expect(product!.toArray()).toEqual([20, 400])
  })

  it('says that a graph was used up', async () => {
    const x = torch.tensor([1], { requiresGrad: true })
    const y = x.square().sum()
    await grad([y], [x])
    await expect(grad([y], [x])).rejects.toThrow(/second time/)
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
