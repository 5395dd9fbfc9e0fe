import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const [a, b] = [randn([4, 4], 1), randn([4, 4], 2)]
const [image, kernel] = [randn([1, 2, 5, 5], 3), randn([3, 2, 3, 3], 4)]
const product = () => torch.matmul(a, b)

describe.each(['bfloat16', 'float16'] as const)('autocast on the CPU to %s', (dtype) => {
  const options = { device: 'cpu', dtype } as const

  it('casts the operators that Python casts, and TorchScript modules as Python does', async () => {
    const model = fixture('resnet18.scripted.pt')
    const shape = [2, 3, 64, 64]
    const python = await reference('autocast', { ...options, model, shape, seed: 5 })
    const dtypes = torch.autocast(options, () => ({
      matmul: product().dtype,
      linear: torch.linear(a, b).dtype,
      conv2d: torch.conv2d(image, kernel).dtype,
      softmax: torch.softmax(a, 1).dtype,
      cross_entropy_loss: torch.cross_entropy_loss(product(), torch.tensor([0, 1, 2, 3], { dtype: 'int64' }))
        .dtype,
      add: product().add(a).dtype,
      disabled: torch.autocast({ ...options, enabled: false }, product).dtype,
    }))
    expect(dtypes).toEqual(python.dtypes)
    const values = torch.autocast(options, product).to('float32').reshape([-1]).toArray()
    expect(values).toEqual(python.product)

    const module = (await ScriptModule.load(model)).eval()
    for (const expected of python.outputs) {
      const output = await torch.autocast(options, () => module.forward(randn(shape, 5)))
      expect(output.dtype).toBe(expected.dtype)
      const ours = output.to('float32').reshape([-1]).toArray() as number[]
      ours.forEach((value, i) => {
        expect(value).toBeCloseTo(expected.values[i], 5)
      })
    }
    const seen: unknown[] = []
    const hook = module.registerForwardHook('fc', ({ output }) => seen.push((output as Tensor).dtype))
    await torch.autocast(options, () => module.forward(randn(shape, 5)))
    hook.remove()
    expect(seen).toEqual([python.outputs[0].dtype])
    const output = await torch.autocast(options, () => module.forward(randn(shape, 5)))
    const [gradient] = await torch.autograd.grad(
      [output.to('float32').square().sum()],
      [module.parameters()[0]!],
    )
    expect(gradient!.dtype).toBe(python.gradient.dtype)
    expect(gradient!.norm().item() / python.gradient.norm).toBeCloseTo(1, 5)
  })
})

describe('autocast', () => {
  it('holds across await and on the lane, and two that interleave do not see each other', async () => {
    const task = async () => {
      await setTimeout(5)
      return [product().dtype, (await torch.async.matmul(a, b)).dtype]
    }
    const tasks = [
      torch.autocast({ device: 'cpu' }, task),
      task(),
      torch.autocast({ device: 'cpu', dtype: 'float16' }, task),
    ]
    expect(await Promise.all(tasks)).toEqual([
      ['bfloat16', 'bfloat16'],
      ['float32', 'float32'],
      ['float16', 'float16'],
    ])
  })

  it('reports whether it is on, and leaves other devices and modes as they are', () => {
    expect([torch.isAutocastEnabled('cpu'), torch.getAutocastDtype('cpu')]).toEqual([false, 'bfloat16'])
    torch.autocast({ device: 'cuda' }, () => {
      expect([torch.isAutocastEnabled('cuda'), torch.getAutocastDtype('cuda')]).toEqual([true, 'float16'])
      expect(product().dtype).toBe('float32')
      torch.inferenceMode(() => {
        torch.autocast({ device: 'cpu', dtype: 'float16', cacheEnabled: false }, () => {
          expect(torch.isAutocastEnabled('cuda')).toBe(true)
          expect(torch.getAutocastDtype('cpu')).toBe('float16')
          expect(product().is_inference()).toBe(true)
        })
      })
      torch.autocast({ device: 'cuda', enabled: false }, () =>
        expect(torch.isAutocastEnabled('cuda')).toBe(false),
      )
    })
  })

  it('sees weights that were written to between two calls', () => {
    const weight = torch.ones([1, 1])
    weight.requiresGrad = true
    torch.autocast({ device: 'cpu' }, () => {
      expect(torch.matmul(torch.ones([1, 1]), weight).item()).toBe(1)
      weight.detach().fill_(5)
      expect(torch.matmul(torch.ones([1, 1]), weight).item()).toBe(5)
    })
  })

  it('refuses devices and dtypes that it cannot cast for', () => {
    const refused = (options: object) => () => torch.autocast(options as { device: 'cpu' }, product)
    expect(refused({ device: 'gpu' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(refused({ device: 'cpu', dtype: 'float64' })).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE' }),
    )
  })
})
