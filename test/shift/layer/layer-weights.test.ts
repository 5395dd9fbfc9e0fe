import { describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../../src/index.js'
import { LayerWeights, whyNotWritten } from '../../../src/shift/layer/layer-weights.js'
import type { DType } from '../../../src/torch/index.js'
import { fixture } from '../../support/paths.js'

describe('whyNotWritten', () => {
  const norms = (grown: number) => ({ normBefore: 8, normAfter: 8 * (1 + grown), batchLogitChange: 0 })

  // What rounding may add: a millionth, or the distance from 1 to the dtype's next number where that is more.
  it.each<[DType, number]>([
    ['float64', 1e-6],
    ['float32', 1e-6],
    ['float16', 2 ** -10],
    ['bfloat16', 2 ** -7],
  ])('lets a norm grow by the rounding of %s alone', (dtype, least) => {
    expect(whyNotWritten(norms(0.99 * least), 1, dtype, 0.001)).toBeNull()
    expect(whyNotWritten(norms(1.01 * least), 1, dtype, 0.001)).toContain('the norm would have grown from 8')
    expect(whyNotWritten(norms(1.01 * least), 1, dtype, null)).toContain('the norm would have grown')
    expect(whyNotWritten(norms(Number.NaN), 1, dtype, null)).toContain('the norm would have grown')
  })

  it.each<[DType, number]>([
    ['float64', 2 ** -52],
    ['float32', 2 ** -23],
    ['float16', 2 ** -10],
  ])('lets a logit move by the budget and 16 roundings of %s', (dtype, epsilon) => {
    const moved = (batchLogitChange: number, largest: number, budget: number | null) =>
      whyNotWritten({ normBefore: 8, normAfter: 7, batchLogitChange }, largest, dtype, budget)
    const allowed = 16 * epsilon * 32
    expect(moved(0.99 * allowed, 32, 0)).toBeNull()
    expect(moved(1.01 * allowed, 32, 0)).toContain('a logit of the batch would have moved')
    expect(moved(0.001 + 0.99 * allowed, 32, 0.001)).toBeNull()
    expect(moved(0.001 + 1.01 * allowed, 32, 0.001)).toContain('more than 0.001')
    expect(moved(100, 32, null)).toBeNull()
    expect(moved(Number.NaN, 32, 0.001)).toContain('a logit of the batch would have moved')
  })
})

describe('LayerWeights', () => {
  it('writes a weight and a bias, and both again as they were', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const parameters = () =>
      ['2.weight', '2.bias'].map((name) => model.namedParameters().get(name)!.toArray())
    const [weight, bias] = parameters() as [number[][], number[]]
    using held = model.viewToShift()
    await torch.noGrad(async () => {
      const weights = new LayerWeights(held, '2')
      const { weight: w, bias: b } = weights.before
      await weights.write({ weight: w.mul(2), bias: b!.add(1) })
      expect(parameters()).toEqual([weight.map((row) => row.map((x) => 2 * x)), bias.map((x) => x + 1)])
      await weights.write(weights.before, { forced: true })
      expect(parameters()).toEqual([weight, bias])
      // Of a float64 layer.
      expect(weights.rounding(32)).toBe(16 * 2 ** -52 * 32)
    })
  })
})
