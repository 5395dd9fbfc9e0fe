import { afterEach, describe, expect, it } from 'vitest'
import { hvp, ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { jvp } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const query = () => randn([1, 2, 4, 8], 1).requires_grad_()
const attend = (q: Tensor) => torch.scaled_dot_product_attention(q, q, q)

/** Whether the forward can be differentiated twice, as that of the math kernel alone. */
async function isMath(attention: (q: Tensor) => Tensor | Promise<Tensor> = attend): Promise<boolean> {
  const q = query()
  const out = await attention(q)
  const [first] = await torch.autograd.grad([out.square().sum()], [q], { createGraph: true })
  return torch.autograd.grad([first!.square().sum()], [q]).then(
    () => true,
    (error) => {
      expect(error).toMatchObject({ code: 'ERR_SECOND_DERIVATIVE' })
      expect(error.message).toContain("sdpaKernel('math'")
      return false
    },
  )
}

afterEach(() => {
  torch.backends.cuda.flashSDP = true
  torch.backends.cuda.mathSDP = true
})

describe('sdpaKernel', () => {
  it('chooses the kernel within its body, across await and in worker threads of the library', async () => {
    expect(await isMath()).toBe(false)
    expect(await torch.nn.attention.sdpaKernel('math', () => isMath())).toBe(true)
    expect(await torch.nn.attention.sdpaKernel(['flash_attention'], () => isMath())).toBe(false)
    expect(await torch.nn.attention.sdpaKernel(['math', 'flash_attention'], () => isMath())).toBe(false)
    expect(
      await torch.nn.attention.sdpaKernel('math', async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        expect(await torch.nn.attention.sdpaKernel('flash_attention', () => isMath())).toBe(false)
        return isMath((q) => torch.async.scaled_dot_product_attention(q, q, q))
      }),
    ).toBe(true)
    expect(await isMath()).toBe(false)
  })

  it('is not seen by tasks beside it, of which each has its own', async () => {
    const tasks = Array.from({ length: 20 }, async (_, i) => {
      const task = async () => {
        await new Promise((resolve) => setTimeout(resolve, i % 3))
        return isMath((q) => torch.async.scaled_dot_product_attention(q, q, q))
      }
      return i % 2 === 0 ? torch.nn.attention.sdpaKernel('math', task) : task()
    })
    expect(await Promise.all(tasks)).toEqual(tasks.map((_, i) => i % 2 === 0))
  })

  it('is given back if its body throws, and holds in a large operator that the lane computes', async () => {
    expect(() =>
      torch.nn.attention.sdpaKernel('math', () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
    expect(await isMath()).toBe(false)
    const large = () => randn([1, 4, 128, 512], 1).requires_grad_()
    const q = large()
    const out = torch.nn.attention.sdpaKernel('math', () => attend(q))
    const [first] = await torch.autograd.grad([out.square().sum()], [q], { createGraph: true })
    const [second] = await torch.autograd.grad([first!.square().sum()], [q])
    expect(second!.shape).toEqual(q.shape)
  })

  it('refuses what is no kernel', () => {
    for (const wrong of ['flash', [], ['math', 'fast'], undefined, 7]) {
      expect(() => torch.nn.attention.sdpaKernel(wrong as never, () => 1)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
  })

  it('throws if none of the kernels fits', async () => {
    const run = () => torch.nn.attention.sdpaKernel('cudnn_attention', () => attend(query()))
    expect(run).toThrow(expect.objectContaining({ code: 'ERR_TORCH' }))
    expect(await isMath()).toBe(false)
  })

  it('gives the numbers of the formula with either kernel', () => {
    const q = query()
    const [d, scale] = [q.to('float64'), 1 / Math.sqrt(8)]
    const expected = d.matmul(d.transpose(-2, -1)).mul(scale).softmax(-1).matmul(d)
    for (const kernel of ['math', 'flash_attention'] as const) {
      const out = torch.nn.attention.sdpaKernel(kernel, () => attend(q))
      expect(out.sub(expected).abs().max().item()).toBeLessThan(1e-6)
    }
  })
})

describe('the switches of the whole process', () => {
  it('are read and set, and a scope goes back to them', async () => {
    expect(torch.backends.cuda).toMatchObject({
      flashSDP: true,
      mathSDP: true,
      memEfficientSDP: true,
      cudnnSDP: true,
    })
    torch.backends.cuda.flashSDP = false
    expect(await isMath()).toBe(true)
    torch.nn.attention.sdpaKernel(['math', 'flash_attention'], () => attend(query()))
    expect(torch.backends.cuda.flashSDP).toBe(false)
    torch.backends.cuda.flashSDP = true
    torch.nn.attention.sdpaKernel('math', () => attend(query()))
    expect(torch.backends.cuda.flashSDP).toBe(true)
    expect(() => {
      torch.backends.cuda.flashSDP = 1 as never
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('second derivatives of attention', () => {
  it('jvp takes the math kernel itself; hvp of a fused forward says what to do', async () => {
    const x = randn([1, 2, 4, 8], 2)
    const vector = randn([1, 2, 4, 8], 3)
    const { product } = await jvp(attend, [x], [vector])
    const at = (step: number) => attend(x.to('float64').add(vector.to('float64').mul(step)))
    const difference = at(1e-5).sub(at(-1e-5)).div(2e-5)
    expect(difference.sub(product[0]!).abs().max().item()).toBeLessThan(1e-4)

    const model = (await ScriptModule.load(fixture('attention.product_double.pt'))).eval()
    const parameters = model.parameters()
    const vectors = parameters.map((parameter, i) => randn([...parameter.shape], i, 'float64'))
    const images = randn([3, 1, 8, 8], 1, 'float64')
    const loss = () => torch.enableGrad(async () => (await model.forward(images)).square().sum())
    await expect(hvp(await loss(), parameters, vectors)).rejects.toMatchObject({
      code: 'ERR_SECOND_DERIVATIVE',
    })
    const products = await hvp(await torch.nn.attention.sdpaKernel('math', loss), parameters, vectors)
    expect(products.map(({ shape }) => String(shape))).toEqual(parameters.map(({ shape }) => String(shape)))
    // Against the difference of gradients, of the fused kernel, along the vector.
    const gradientsAt = async (step: number) => {
      const move = (by: number) =>
        torch.noGrad(() =>
          parameters.forEach((parameter, i) => void parameter.add_(vectors[i]!, { alpha: by })),
        )
      move(step)
      const gradients = await torch.autograd.grad([await loss()], parameters)
      move(-step)
      return gradients
    }
    const [up, down] = [await gradientsAt(1e-6), await gradientsAt(-1e-6)]
    for (const [i, product] of products.entries()) {
      const expected = up[i]!.sub(down[i]!).div(2e-6)
      const scale = Math.max(1, expected.abs().max().item())
      expect(
        largestDifference(product.toTypedArray() as Float64Array, expected.toTypedArray() as Float64Array) /
          scale,
      ).toBeLessThan(1e-6)
    }
  })
})
