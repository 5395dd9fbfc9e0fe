import { describe, expect, it } from 'vitest'
import { adam, adamW, asam, sam, sgd, type Tensor, torch } from '../../src/index.js'
import type { DType } from '../../src/torch/index.js'
import { clipGradients, type OptimizerRecipe } from '../../src/train/index.js'

const float64 = (values: number[]) => torch.tensor(values, { dtype: 'float64' })
const values = (tensor: Tensor) => tensor.detach().to('float64').toArray() as number[]

/** Steps of an optimizer on the parameters, with these gradients; gives the weights, and what the ascent moved them to. */
async function stepped(
  recipe: OptimizerRecipe,
  start: Record<string, number[]>,
  gradients: number[][][],
  dtype: DType = 'float64',
) {
  const parameters = new Map(
    Object.entries(start).map(([name, list]) => [name, float64(list).to(dtype).requires_grad_()]),
  )
  const optimizer = recipe.create({ parameters, buffers: new Map() })
  const seen: number[][][] = []
  for (const step of gradients) {
    await optimizer.step(async () => {
      seen.push([...parameters.values()].map(values))
      return {
        loss: float64([seen.length]).select(0, 0),
        gradients: step.map((list) => float64(list).to(dtype)),
      }
    }, recipe.learningRate)
  }
  return { weights: [...parameters.values()].map(values), seen, optimizer }
}

const close = (lists: readonly (readonly number[])[], digits = 12) =>
  lists.map((list) => list.map((value) => expect.closeTo(value, digits)))

describe('an optimizer', () => {
  it('is described by its name and every number', () => {
    expect(sgd({ learningRate: 1 }).description).toEqual({
      name: 'sgd',
      momentum: 0,
      dampening: 0,
      nesterov: false,
      weightDecay: 0,
    })
    const numbers = { momentum: 0.5, dampening: 0.25, nesterov: false, weightDecay: 0.125 }
    expect(sgd({ learningRate: 1, ...numbers }).description).toEqual({ name: 'sgd', ...numbers })
    const adams = { betas: [0.9, 0.999], epsilon: 1e-8, amsgrad: false }
    expect(adam().description).toEqual({ name: 'adam', ...adams, weightDecay: 0 })
    expect(adamW().description).toEqual({ name: 'adamW', ...adams, weightDecay: 0.01 })
    const others = { betas: [0.5, 0.75], epsilon: 1e-3, amsgrad: true, weightDecay: 0.5 } as const
    expect(adamW({ ...others }).description).toEqual({ name: 'adamW', ...others })
    expect([adam().learningRate, adamW().learningRate, adam({ learningRate: 3 }).learningRate]).toEqual([
      1e-3, 1e-3, 3,
    ])
    const base = sgd({ learningRate: 0.25 })
    expect(sam(base)).toMatchObject({
      learningRate: 0.25,
      description: { name: 'sam', rho: 0.05, base: base.description },
    })
    expect(asam(base).description).toEqual({ name: 'asam', rho: 0.5, eta: 0.01, base: base.description })
    expect(asam(base, { rho: 2, eta: 0 }).description).toEqual({
      name: 'asam',
      rho: 2,
      eta: 0,
      base: base.description,
    })
    const clipped = clipGradients(base, 2)
    expect(clipped).toMatchObject({ learningRate: 0.25, description: { ...base.description, maxNorm: 2 } })
  })

  it('adam does by hand what its formula says', async () => {
    const [b1, b2, eps, rate, decay] = [0.5, 0.75, 0.125, 0.1, 0.25]
    for (const [make, decoupled] of [
      [adam, false],
      [adamW, true],
    ] as const) {
      const recipe = make({ learningRate: rate, betas: [b1, b2], epsilon: eps, weightDecay: decay })
      let [w, m, v] = [2, 0, 0]
      for (const [i, gradient] of [3, -1].entries()) {
        const g = gradient + (decoupled ? 0 : decay * w)
        if (decoupled) w *= 1 - rate * decay
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        const [mHat, vHat] = [m / (1 - b1 ** (i + 1)), v / (1 - b2 ** (i + 1))]
        w -= (rate * mHat) / (Math.sqrt(vHat) + eps)
      }
      const { weights, optimizer } = await stepped(recipe, { w: [2] }, [[[3]], [[-1]]])
      expect(weights).toEqual(close([[w]]))
      expect([...optimizer.state().keys()]).toEqual(['first.w', 'second.w', 'steps.w'])
      expect(values(optimizer.state().get('first.w')!)).toEqual([expect.closeTo(m, 12)])
      expect(optimizer.state().get('steps.w')!.item()).toBe(2)
    }
    // With amsgrad the largest second moment counts, which the first step has.
    const [first, second] = [10, 0.5]
    const { optimizer } = await stepped(adam({ betas: [0, 0.5], amsgrad: true }), { w: [0] }, [
      [[first]],
      [[second]],
    ])
    expect(values(optimizer.state().get('largest.w')!)).toEqual([expect.closeTo(0.5 * first ** 2, 9)])
  })

  it('sam climbs by ρ along the gradient of all parameters together, and steps from below', async () => {
    const start = { 'fc.weight': [1, -2], 'fc.bias': [5] }
    const gradients = [
      [[3, 0], [4]],
      [[1, 1], [1]],
    ]
    // sgd's step is done with the second gradient at the weights before.
    const base = sgd({ learningRate: 0.5 })
    const { weights, seen } = await stepped1(sam(base, { rho: 0.25 }), start, gradients)
    expect(seen).toEqual([close([[1, -2], [5]]), close([[1 + (0.25 * 3) / 5, -2], [5 + (0.25 * 4) / 5]])])
    expect(weights).toEqual(close([[1 - 0.5, -2 - 0.5], [5 - 0.5]]))
  })

  it('asam climbs by the size of the weights, and for biases by 1', async () => {
    const start = { 'fc.weight': [1, -2], 'fc.bias': [5], weight: [3], weights: [7] }
    const gradients = [
      [[3, 1], [4], [2], [1]],
      [[0, 0], [0], [0], [0]],
    ]
    const [rho, eta] = [0.25, 0.5]
    const t = [[1.5, 2.5], [1], [3.5], [1]]
    const scaled = gradients[0]!.map((list, i) => list.map((g, k) => g * t[i]![k]!))
    const length = Math.hypot(...scaled.flat())
    const { seen } = await stepped1(asam(sgd({ learningRate: 0.5 }), { rho, eta }), start, gradients)
    const moved = Object.values(start).map((list, i) =>
      list.map((w, k) => w + (rho * scaled[i]![k]! * t[i]![k]!) / length),
    )
    expect(seen[1]).toEqual(close(moved))
  })

  it('clips the gradients of all parameters together, if they are longer', async () => {
    const clip = (maxNorm: number) => clipGradients(sgd({ learningRate: 1 }), maxNorm)
    const start = { a: [0], b: [0] }
    expect((await stepped(clip(2.5), start, [[[3], [4]]])).weights).toEqual(close([[-1.5], [-2]], 6))
    expect((await stepped(clip(10), start, [[[3], [4]]])).weights).toEqual([[-3], [-4]])
  })

  it.each([
    ['float16', 2 ** -10],
    ['bfloat16', 2 ** -7],
  ] as const)('in %s rounds once, and keeps float32', async (dtype, epsilon) => {
    const recipe = sgd({ learningRate: 0.125, momentum: 0.5 })
    const { weights, optimizer } = await stepped(recipe, { w: [1, 256] }, [[[1, 1]], [[1, 1]]], dtype)
    // v: 1, 1.5; the small weight is 1 − 0.125 − 0.1875, exact in both.
    expect(weights[0]![0]).toBe(0.6875)
    expect(Math.abs(weights[0]![1]! - (256 - 0.3125))).toBeLessThanOrEqual(256 * epsilon)
    const state = optimizer.state()
    expect([state.get('momentum.w')!.dtype, values(state.get('momentum.w')!)]).toEqual([
      'float32',
      [1.5, 1.5],
    ])
    const other = recipe.create({
      parameters: new Map([['w', float64([0, 0]).to(dtype)]]),
      buffers: new Map(),
    })
    other.restore(state)
    expect(values(other.state().get('momentum.w')!)).toEqual([1.5, 1.5])
    expect(() => other.restore(new Map([['momentum.w', float64([0, 0]).to(dtype)]]))).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
    )
  })

  it('takes a state of its own shapes and dtypes alone, and gives copies of its list', async () => {
    const make = () => adam().create({ parameters: new Map([['w', float64([1, 2])]]), buffers: new Map() })
    const right = new Map([
      ['first.w', float64([1, 2])],
      ['second.w', float64([3, 4])],
      ['steps.w', torch.tensor(5)],
    ])
    const optimizer = make()
    optimizer.restore(right)
    expect([...optimizer.state()].map(([name, tensor]) => [name, tensor.toArray()])).toEqual([
      ['first.w', [1, 2]],
      ['second.w', [3, 4]],
      ['steps.w', 5],
    ])
    right.get('first.w')!.fill_(9)
    expect(values(optimizer.state().get('first.w')!)).toEqual([1, 2])
    ;(optimizer.state() as Map<string, Tensor>).clear()
    expect(optimizer.state().size).toBe(3)
    optimizer.restore(new Map())
    expect(optimizer.state().size).toBe(0)
    for (const [name, wrong] of [
      ['steps.w', torch.tensor([5])],
      ['steps.w', float64([5]).select(0, 0)],
      ['first.w', float64([1])],
      ['first.w', torch.tensor([1, 2])],
      ['largest.w', float64([1, 2])],
      ['first.v', float64([1, 2])],
    ] as const) {
      expect(() => make().restore(new Map([...right, [name, wrong]])), name).toThrow(
        expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringContaining(`'${name}'`) }),
      )
    }
  })

  it('names the number that is out of range', () => {
    const base = sgd({ learningRate: 1 })
    for (const [name, make] of [
      ['learningRate', () => sgd({ learningRate: -1 })],
      ['momentum', () => sgd({ learningRate: 1, momentum: -0.1 })],
      ['weightDecay', () => sgd({ learningRate: 1, weightDecay: -0.1 })],
      ['dampening', () => sgd({ learningRate: 1, dampening: Number.NaN })],
      ['options', () => sgd(5 as never)],
      ['options', () => adam(5 as never)],
      ['options', () => adamW(5 as never)],
      ['learningRate', () => adam({ learningRate: -1 })],
      ['epsilon', () => adam({ epsilon: -1 })],
      ['weightDecay', () => adamW({ weightDecay: -1 })],
      ['betas\\[0\\]', () => adam({ betas: [1, 0.9] })],
      ['betas\\[1\\]', () => adam({ betas: [0.9, 1] })],
      ['betas\\[1\\]', () => adam({ betas: [0.9, -0.1] })],
      ['rho', () => sam(base, { rho: -1 })],
      ['rho', () => asam(base, { rho: -1 })],
      ['eta', () => asam(base, { eta: -1 })],
      ['base', () => sam(5 as never)],
      ['base', () => asam(5 as never)],
      ['options', () => sam(base, 5 as never)],
      ['options', () => asam(base, 5 as never)],
      ['maxNorm', () => clipGradients(base, 0)],
    ] as const) {
      expect(make, name).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringMatching(new RegExp(`for ${name} `)),
        }),
      )
    }
    for (const make of [
      () => sgd({ learningRate: 0, momentum: 0.5, nesterov: true }),
      () => adam({ betas: [0, 0], epsilon: 0, learningRate: 0 }),
      () => asam(sam(base, { rho: 0 }), { rho: 0, eta: 0 }),
    ])
      expect(make).not.toThrow()
    expect(() => sgd({ learningRate: 1, momentum: 0, nesterov: true })).toThrow(/momentum 0 and dampening 0/)
  })
})

/** One step, whose closure gives the first gradients and then the second. */
async function stepped1(recipe: OptimizerRecipe, start: Record<string, number[]>, gradients: number[][][]) {
  const parameters = new Map(
    Object.entries(start).map(([name, list]) => [name, float64(list).requires_grad_()]),
  )
  const optimizer = recipe.create({ parameters, buffers: new Map() })
  const seen: number[][][] = []
  const loss = await optimizer.step(async () => {
    const given = gradients[seen.length]!.map(float64)
    seen.push([...parameters.values()].map(values))
    return { loss: float64([seen.length]).select(0, 0), gradients: given }
  }, recipe.learningRate)
  expect(loss.item()).toBe(1) // of the weights before
  return { weights: [...parameters.values()].map(values), seen }
}
