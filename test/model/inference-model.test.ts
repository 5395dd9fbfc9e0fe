import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../src/index.js'
import { InferenceModel } from '../../src/model/inference-model.js'
import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'

const distance = (a: Tensor, b: Tensor) => a.to('float64').sub(b.to('float64')).abs().max().item()
const largest = (a: Tensor) => a.abs().max().item()

async function load(name: string) {
  const model = (await ScriptModule.load(fixture(name))).eval()
  return { model, fast: await InferenceModel.of(model) }
}

describe('a model for inference', () => {
  it.each([
    'resnet18.scripted.pt',
    'resnet18.traced.pt',
    'resnet18.frozen.pt',
    'shufflenet_v2_x1_0.scripted.pt',
    'shufflenet_v2_x1_0.traced.pt',
  ])('%s is optimised and its logits stay within 1e-4', async (name) => {
    const { model, fast } = await load(name)
    await torch.noGrad(async () => {
      for (const [call, size] of [8, 8, 8, 3].entries()) {
        const images = randn([size, 3, 64, 64], call)
        const logits = (await fast.forward(images)) as Tensor
        expect(distance(logits, await model.forward(images))).toBeLessThan(1e-4)
      }
    })
    expect(fast.optimized).toBe(true)
  })

  it('takes the images of a batch in parts, in their order', async () => {
    const { model, fast } = await load('resnet18.scripted.pt')
    const threads = torch.getNumThreads()
    torch.setNumThreads(1) // eight of 224 × 224 at a time
    try {
      await torch.noGrad(async () => {
        const images = randn([19, 3, 224, 224], 1)
        const sizes: number[] = []
        for (const size of [19, 8, 1]) {
          const some = images.narrow(0, 19 - size, size)
          const logits = (await fast.forward(some)) as Tensor
          expect(distance(logits, await model.forward(some))).toBeLessThan(1e-4)
          sizes.push(logits.shape[0]!)
        }
        expect(sizes).toEqual([19, 8, 1])
      })
    } finally {
      torch.setNumThreads(threads)
    }
    expect(fast.optimized).toBe(true)
  })

  it('is as near to float64 as the model itself, also if rounding is larger', async () => {
    const { model, fast } = await load('resnext50_32x4d.scripted.pt')
    const exactly = await (await model.clone()).to({ dtype: 'float64' })
    await torch.noGrad(async () => {
      const images = randn([4, 3, 64, 64], 1)
      const exact = await exactly.forward(images.to('float64'))
      const logits = (await fast.forward(images)) as Tensor
      expect(distance(logits, exact)).toBeLessThan(1e-4 * largest(exact))
      expect(distance(logits, exact)).toBeLessThan(2 * distance(await model.forward(images), exact))
    })
    expect(fast.optimized).toBe(true)
  })

  it('gives the same bits at every call, and made anew', async () => {
    const { model, fast } = await load('shufflenet_v2_x1_0.scripted.pt')
    const again = await InferenceModel.of(model)
    await torch.noGrad(async () => {
      const [first, other] = [randn([5, 3, 64, 64], 1), randn([2, 3, 64, 64], 2)]
      const logits = (await fast.forward(first)) as Tensor
      await again.forward(other) // what was run before does not matter
      for (const one of [fast, again, fast, again]) {
        expect(distance((await one.forward(first)) as Tensor, logits)).toBe(0)
      }
    })
  })

  it('leaves the model as it was', async () => {
    const { model, fast } = await load('resnet18.scripted.pt')
    const weight = model.namedParameters().get('layer1.0.conv1.weight')!
    const strides = weight.stride()
    await torch.noGrad(() => fast.forward(torch.zeros([1, 3, 64, 64])))
    fast.dispose()
    expect(weight.stride()).toEqual(strides)
    expect([model.kind, model.training]).toEqual(['scripted', false])
    await torch.noGrad(() => model.forward(torch.zeros([1, 3, 64, 64])))
  })

  it('is the model itself if that is hooked, and in eval mode if that is in train mode', async () => {
    const { model } = await load('resnet18.scripted.pt')
    const heard: string[] = []
    const hook = model.registerForwardHook('fc', ({ path }) => void heard.push(path))
    const hooked = await InferenceModel.of(model)
    await torch.noGrad(() => hooked.forward(torch.zeros([1, 3, 64, 64])))
    expect([heard, hooked.optimized]).toEqual([['fc'], false])
    expect(() => model.train()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
    hook.remove()
    hooked.dispose()
    const plain = await InferenceModel.of(model)
    const images = randn([2, 3, 64, 64], 1)
    const expected = (await torch.noGrad(() => plain.forward(images))) as Tensor
    const trained = await InferenceModel.of(model.train())
    expect([plain.optimized, trained.optimized, model.training]).toEqual([true, true, true])
    expect(distance((await torch.noGrad(() => trained.forward(images))) as Tensor, expected)).toBe(0)
  })

  it('is the model itself, and warns, if libtorch cannot make the copy', async () => {
    const warned = new Promise((resolve) => process.once('warning', resolve))
    const { model, fast } = await load('values.scripted.pt') // has no forward
    expect(fast.optimized).toBe(false)
    expect(await warned).toMatchObject({
      code: 'SOS_NOT_OPTIMIZED',
      message: expect.stringContaining(model.path),
    })
  })

  it('takes linear networks in float64 too', async () => {
    const { model, fast } = await load('mlp.scripted.pt')
    const x = randn([7, 6], 1, 'float64')
    const logits = (await torch.noGrad(() => fast.forward(x))) as Tensor
    expect(distance(logits, await model.forward(x))).toBeLessThan(1e-12)
  })

  it.skipIf(!torch.cuda.isAvailable())('on CUDA is frozen', async () => {
    const model = (await ScriptModule.load(fixture('resnet18.scripted.pt'), { device: 'cuda' })).eval()
    const fast = await InferenceModel.of(model)
    const images = randn([4, 3, 64, 64], 1).to({ device: 'cuda' })
    await torch.noGrad(async () => {
      expect(distance((await fast.forward(images)) as Tensor, await model.forward(images))).toBeLessThan(1e-4)
    })
    expect(fast.optimized).toBe(true)
  })
})
