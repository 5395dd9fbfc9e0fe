import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import {
  expectSomeRank,
  LayerWeights,
  roundingChange,
  roundingWarning,
  whyNotWritten,
} from '../../../src/shift/layer/layer-weights.js'
import type { Solution } from '../../../src/shift/solve/solve.js'
import type { DType } from '../../../src/torch/index.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

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

const largest = (tensor: Tensor) => tensor.abs().max().item()

describe('the weights of a layer', () => {
  /** A convolution of three groups: V_g is the transpose of a third of the weight's rows. */
  async function grouped() {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    const [weight, bias] = ['weight', 'bias'].map((name) =>
      model.namedParameters().get(`grouped.${name}`)!.detach(),
    ) as [Tensor, Tensor]
    return { weights: torch.noGrad(() => new LayerWeights(model, 'grouped', 3)), weight, bias }
  }

  it('are a map for each group, as they were at first', async () => {
    const { weights, weight, bias } = await grouped()
    const [w, b] = [weight.clone(), bias.clone()]
    weight.fill_(7)
    bias.fill_(7)
    const maps = weights.maps()
    expect(maps).toHaveLength(3)
    for (const [group, map] of maps.entries()) {
      expect(
        map.weight.equal(
          w
            .narrow(0, 3 * group, 3)
            .reshape([3, -1])
            .t(),
        ),
      ).toBe(true)
      expect(map.bias!.equal(b.narrow(0, 3 * group, 3))).toBe(true)
    }
    const back = torch.noGrad(() => weights.stored(maps))
    expect([back.weight.equal(w), back.bias!.equal(b), back.weight.shape]).toEqual([true, true, [9, 2, 3, 3]])
  })

  it('are stored in the dtype and on the strides of the layer', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await model.to({ dtype: 'float32' })
    const weights = torch.noGrad(() => new LayerWeights(model, '0'))
    const [map] = weights.maps()
    expect([map!.weight.dtype, map!.weight.shape, map!.bias!.dtype, weights.dtype]).toEqual([
      'float64',
      [6, 8],
      'float64',
      'float32',
    ])
    const stored = torch.noGrad(() => weights.stored([{ weight: map!.weight.mul(1 / 3), bias: map!.bias! }]))
    const expected = map!.weight
      .mul(1 / 3)
      .to('float32')
      .t()
    expect([stored.weight.dtype, stored.weight.equal(expected), stored.bias!.dtype]).toEqual([
      'float32',
      true,
      'float32',
    ])
    expect(weights.rounding(32)).toBe(16 * 2 ** -23 * 32)
  })

  it('are verified against what the batch gave, group by group', async () => {
    const { weights, weight, bias } = await grouped()
    const rows = [1, 2, 3].map((seed) => randn([5, 18], seed, 'float64'))
    const maps = weights.maps()
    // Only the second group moves, by 0.01 in its bias and a little in its weight.
    const moved = maps.map((map, group) =>
      group === 1 ? { weight: map.weight.mul(0.999), bias: map.bias!.add(0.01) } : map,
    )
    const stored = torch.noGrad(() => weights.stored(moved))
    const change = largest(rows[1]!.matmul(maps[1]!.weight.mul(-0.001)).add(0.01))
    const told = torch.noGrad(() => weights.verify(rows, stored, 1.0001 * change))
    expect(told.batchLogitChange).toBeCloseTo(change, 12)
    expect(told.normBefore).toBeCloseTo(weight.norm().item(), 12)
    expect(told.normAfter).toBeCloseTo(stored.weight.norm().item(), 12)
    expect(torch.noGrad(() => weights.verify([], stored, 0)).batchLogitChange).toBe(0)
    expect(() => torch.noGrad(() => weights.verify(rows, stored, 0.9999 * change))).toThrow(
      expect.objectContaining({
        code: 'ERR_SHIFT_VERIFICATION',
        message: expect.stringContaining("'grouped'"),
      }),
    )
    const longer = { weight: weight.mul(1.01), bias }
    expect(() => torch.noGrad(() => weights.verify([], longer, null))).toThrow(
      expect.objectContaining({ code: 'ERR_SHIFT_VERIFICATION', message: expect.stringContaining('norm') }),
    )
  })

  it('may move the logits of a batch by what their size is rounded to', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await model.to({ dtype: 'float32' })
    const weights = torch.noGrad(() => new LayerWeights(model, '0'))
    const [map] = weights.maps()
    const rows = [torch.ones([1, 6], { dtype: 'float64' }).mul(1e4)]
    const logits = rows[0]!.matmul(map!.weight).add(map!.bias!)
    const allowed = 16 * 2 ** -23 * largest(logits)
    const shifted = (by: number) =>
      torch.noGrad(() =>
        weights.verify(rows, weights.stored([{ weight: map!.weight, bias: map!.bias!.add(by) }]), 0),
      )
    expect(shifted(0.5 * allowed).batchLogitChange).toBeGreaterThan(0)
    expect(() => shifted(2 * allowed)).toThrow(expect.objectContaining({ code: 'ERR_SHIFT_VERIFICATION' }))
  })

  it('cost what rounding them moves, of all groups the largest', async () => {
    const { weights } = await grouped()
    const rows = [1, 2, 3].map((seed) => randn([5, 18], seed, 'float64'))
    const maps = weights.maps()
    const stored = torch.noGrad(() => weights.stored(maps))
    for (const group of [0, 1, 2]) {
      const exact = maps.map((map, i) =>
        i === group ? { weight: map.weight.add(1e-3), bias: map.bias!.sub(0.5) } : map,
      )
      const expected = largest(rows[group]!.matmul(torch.full([18, 3], -1e-3, { dtype: 'float64' })).add(0.5))
      expect(weights.roundingChange(rows, exact, stored)).toBeCloseTo(expected, 12)
    }
    expect(weights.roundingChange(rows, maps, stored)).toBe(0)
  })
})

describe('what rounding changes', () => {
  const map = (weight: number[][], bias: number[] | null) => ({
    weight: torch.tensor(weight, { dtype: 'float64' }),
    bias: bias && torch.tensor(bias, { dtype: 'float64' }),
  })

  it('is max |A(V*ᵣ − V*) + b*ᵣ − b*|', () => {
    const a = torch.tensor([[1, 2], [3, -4]]) // biome-ignore format: a matrix
    const [exact, stored] = [map([[1], [1]], [5]), map([[1.5], [1.25]], [5.5])]
    // [1, 2] · [0.5, 0.25] + 0.5 and [3, −4] · [0.5, 0.25] + 0.5
    expect(roundingChange(a, exact, stored)).toBe(1.5)
    expect(roundingChange(a.narrow(0, 1, 1), exact, stored)).toBe(1)
    expect(roundingChange(a, map([[1], [1]], null), map([[1.5], [1.25]], null))).toBe(1)
    expect(roundingChange(a.narrow(0, 0, 0), exact, stored)).toBe(0)
  })

  it('is reported for half precision if it is more than was asked for', () => {
    const told = roundingWarning(0.0023, 'float16', 0.001)
    expect(told).toMatch(/float16.*0\.0023.*0\.001/)
    expect(roundingWarning(0.0023, 'bfloat16', 0)).toMatch(/bfloat16/)
    expect(roundingWarning(0.001, 'float16', 0.001)).toBeNull()
    expect(roundingWarning(0.0023, 'float32', 0.001)).toBeNull()
    expect(roundingWarning(0.0023, 'float64', 0.001)).toBeNull()
    expect(roundingWarning(null, 'float16', 0.001)).toBeNull()
    expect(roundingWarning(100, 'float16', null)).toBeNull()
  })
})

describe('a rank of 0', () => {
  const solution = (rank: number, singularValues: number[] | null) => ({ rank, singularValues }) as Solution
  const of =
    (solutions: Solution[], options = {}) =>
    () =>
      expectSomeRank('fc', solutions, options)

  it('of all groups is refused, and of some is not', () => {
    expect(of([solution(0, [0]), solution(1, [3])])).not.toThrow()
    expect(of([solution(0, [0]), solution(0, [0])])).toThrow(
      expect.objectContaining({ code: 'ERR_SHIFT_VERIFICATION', message: expect.stringContaining("'fc'") }),
    )
  })

  it('is blamed on inputs of zeros, or on the policy', () => {
    expect(of([solution(0, [0, 0])])).toThrow(/its inputs are zero/)
    expect(of([solution(0, [0, 0])], { bias: 'absorb' })).toThrow(/its inputs, less their mean, are zero/)
    expect(of([solution(0, [3, 0])])).toThrow(/policy/)
    expect(of([solution(0, [0]), solution(0, [3])])).toThrow(/policy/)
    expect(of([solution(0, null)])).toThrow(/policy/)
  })
})
