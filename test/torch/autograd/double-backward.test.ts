import { expect, it } from 'vitest'
import { hvp, ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { hvpOfGradients } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()

// The reference is torchvision's eager model with the same weights. The executor of TorchScript may change its plan over
// the first runs: so three, each by a new graph and twice by one that is kept.
it.each(['resnet18', 'shufflenet_v2_x1_0', 'resnext50_32x4d', 'densenet121'])(
  "double backward of %s agrees with PyTorch's eager model in float64, three times over",
  async (architecture) => {
    const file = fixture(`${architecture}.scripted.pt`)
    const shape = [2, 3, 64, 64]
    const python = await reference('hvp', {
      model: file,
      architecture,
      shape,
      seed: 5,
      classes: 10,
      vectorSeed: 6,
      dtype: 'float64',
    })
    const model = (await ScriptModule.load(file)).eval()
    await model.to({ dtype: 'float64' })
    const parameters = model.parameters().filter((parameter) => parameter.requiresGrad)
    expect(parameters).toHaveLength(python.norms.length)
    const generator = new torch.Generator(6)
    const vector = parameters.map(({ shape }) => torch.randn([...shape], { generator, dtype: 'float64' }))
    const labels = torch.tensor([0, 1], { dtype: 'int64' })
    const lossOf = async () =>
      torch.cross_entropy_loss(await model.forward(randn(shape, 5, 'float64')), labels)
    const check = (products: Tensor[]) => {
      let worst = 0
      products.forEach((product, i) => {
        worst = Math.max(worst, Math.abs(norm(product) - python.norms[i]) / python.norm)
        const head = product.reshape([-1]).slice(0, 0, 5).toArray() as number[]
        // Relative to the vector's size: single entries may be near zero.
        for (const [k, value] of (python.products[i] as number[]).entries()) {
          worst = Math.max(worst, Math.abs(head[k]! - value) / python.norm)
        }
      })
      expect(worst).toBeLessThan(1e-9)
      const all = Math.sqrt(products.reduce((sum, product) => sum + norm(product) ** 2, 0))
      expect(Math.abs(all / python.norm - 1)).toBeLessThan(1e-6)
    }
    for (let run = 0; run < 3; run++) {
      const loss = await lossOf()
      expect(Math.abs(loss.item() / python.loss - 1)).toBeLessThan(1e-9)
      if (run < 2) {
        check(await hvp(loss, parameters, vector))
        continue
      }
      const gradients = await torch.autograd.grad([loss], parameters, { createGraph: true })
      const ofAll = Math.sqrt(gradients.reduce((sum, gradient) => sum + norm(gradient.detach()) ** 2, 0))
      expect(Math.abs(ofAll / python.gradientNorm - 1)).toBeLessThan(1e-9)
      check(await hvpOfGradients(gradients, parameters, vector, true))
      check(await hvpOfGradients(gradients, parameters, vector, false))
    }
  },
  300_000, // most of it is Python on a busy machine
)
