import { describe, expect, it } from 'vitest'
import { torch } from '../../src/index.js'
import { DriftSums } from '../../src/shift/certificates.js'
import { emptyDrift } from '../../src/shift/drift.js'
import { certifyDrift, measureDrift } from '../../src/shift/index.js'

const tensor = (rows: number[][]) => torch.tensor(rows, { dtype: 'float64' })
const vector = (values: number[]) => torch.tensor(values, { dtype: 'float64' })

describe('what rounding adds', () => {
  // Inputs of the lengths 5 and 13; the longest columns of V are 2 and, of V*, 3.
  const rows = tensor([
    [3, 4],
    [5, 12],
  ])
  const before = { weight: tensor([[2, 0, 0], [0, 1, 0]]), bias: vector([0, 0, 20]) } // biome-ignore format: a matrix
  const after = { weight: tensor([[2, 0, 0], [0, 3, 0]]), bias: vector([0, 0, 20]) } // biome-ignore format: a matrix
  // z: [6, 4, 20] and [10, 12, 20]; z*: [6, 12, 20] and [10, 36, 20].
  const largest = [20, 36]

  it.each([
    ['products', { products: 0.125, outputs: 0, softmax: false }, [0.125 * 5 * 3, 0.125 * 13 * 3]],
    ['outputs', { products: 0, outputs: 0.25, softmax: false }, largest.map((z) => 0.25 * z)],
    [
      'both',
      { products: 0.125, outputs: 0.25, softmax: false },
      [0.125 * 15 + 0.25 * 20, 0.125 * 39 + 0.25 * 36],
    ],
    // A softmax takes the largest logit from each, which doubles the size, and the sum's logarithm.
    [
      'a softmax',
      { products: 0, outputs: 0.25, softmax: true },
      largest.map((z) => 0.25 * (2 * z + 1 + Math.log(3))),
    ],
  ])('of %s, is in proportion to what is rounded', (_, rounding, noise) => {
    const one = measureDrift(rows, before, after, rounding)
    noise.forEach((value, i) => void expect(one.noise[i]).toBeCloseTo(value, 12))
    // The other way round, what is the largest is the same.
    const back = measureDrift(rows, after, before, rounding)
    noise.forEach((value, i) => void expect(back.noise[i]).toBeCloseTo(value, 12))
  })

  it('leaves a class undecided if two logits lie within twice of it, before or after', () => {
    // Margins before: 14 and 8; after: 8 and 16. The noise is that of the outputs.
    const undecided = (outputs: number, from = before, to = after) => [
      ...measureDrift(rows, from, to, { products: 0, outputs, softmax: false }).undecided,
    ]
    expect(undecided(0.19)).toEqual([0, 1]) // 2 · 3.8 < 8, 2 · 6.84 > 8
    expect(undecided(0.2)).toEqual([1, 1]) // 2 · 4 = 8
    expect(undecided(0.1)).toEqual([0, 0])
    expect(undecided(0.19, after, before)).toEqual([0, 1])
    expect(undecided(0)).toEqual([0, 0])
    const equal = { weight: tensor([[1, 1]]), bias: null }
    expect([...measureDrift(tensor([[1]]), equal, equal).undecided]).toEqual([1])
  })

  it('is no negative number', () => {
    for (const wrong of [
      { products: -1, outputs: 0, softmax: false },
      { products: 0, outputs: Number.NaN, softmax: false },
    ]) {
      expect(() => measureDrift(rows, before, after, wrong)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
  })
})

describe('a certificate', () => {
  it('of nothing says that nothing moves', () => {
    expect(certifyDrift(emptyDrift(0))).toEqual({
      samples: 0,
      maxLogitChange: 0,
      meanLogitChange: 0,
      maxLossChange: 0,
      meanLossChange: 0,
      marginSafeShare: 1,
      changedPredictions: 0,
    })
  })

  it('of one class is safe, however far it moves', () => {
    const map = (value: number) => ({ weight: tensor([[value]]), bias: null })
    const one = measureDrift(tensor([[1], [2]]), map(1), map(9))
    expect([...one.margin]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
    expect([...one.undecided, ...one.spread]).toEqual([0, 0, 0, 0])
    expect(certifyDrift(one)).toMatchObject({ marginSafeShare: 1, changedPredictions: 0, maxLogitChange: 16 })
  })

  it('adds up the bias of a layer that has one, and of one that has none', () => {
    const rows = tensor([[1, 2], [3, 4]]) // biome-ignore format: a matrix
    const weight = tensor([[1, 0], [0, 1]]) // biome-ignore format: a matrix
    const change = (from: number[] | null, to: number[] | null) => {
      const map = (bias: number[] | null) => ({ weight, bias: bias && vector(bias) })
      const one = measureDrift(rows, map(from), map(to))
      return [[...one.change], [...one.margin]]
    }
    expect(change([0, 0], [0.5, -2])).toEqual([
      [2, 2],
      [1, 1],
    ])
    expect(change([10, 0], [10, 0])).toEqual([
      [0, 0],
      [9, 9],
    ])
    expect(change(null, null)).toEqual([
      [0, 0],
      [1, 1],
    ])
  })

  it('takes a bias that comes or goes for one that is zero on the other side', () => {
    const weight = tensor([[1, 0], [0, 1]]) // biome-ignore format: a matrix
    const [without, with_] = [
      { weight, bias: null },
      { weight, bias: vector([0, 7]) },
    ]
    const [comes, goes] = [
      measureDrift(tensor([[3, 1]]), without, with_),
      measureDrift(tensor([[3, 1]]), with_, without),
    ]
    expect([comes.change[0], comes.margin[0], comes.changed[0]]).toEqual([7, 2, 1])
    expect([goes.change[0], goes.margin[0], goes.changed[0]]).toEqual([7, 5, 1])
  })

  it('is of float64 arithmetic, whatever dtype the layer and its inputs have', () => {
    const [weight, rows] = [torch.tensor([[1, 0]]), torch.tensor([[1], [2]])]
    const [before, after] = [torch.tensor([1, 0]), torch.tensor([2 ** -30, 0])].map((bias) => ({
      weight,
      bias,
    }))
    const one = measureDrift(rows, before!, after!)
    expect([...one.change]).toEqual([1 - 2 ** -30, 1 - 2 ** -30])
    const exact = (map: typeof before) => ({
      weight: map!.weight.to('float64'),
      bias: map!.bias.to('float64'),
    })
    const sums = new DriftSums([exact(before)], [exact(after)])
    sums.add([rows])
    expect([sums.largestLogit, sums.certificate().maxLogitChange]).toEqual([3, 1 - 2 ** -30])
  })

  it('of groups without a bias takes their inputs beside one another', () => {
    const map = (value: number) => ({ weight: tensor([[value]]), bias: null })
    const sums = new DriftSums([map(1), map(1)], [map(1), map(3)])
    sums.add([tensor([[5], [-7]]), tensor([[2], [1]])]) // z: [5, 2] and [-7, 1]; Δz: [0, 4] and [0, 2]
    expect(sums.largestLogit).toBe(7)
    expect(sums.certificate(true)).toEqual({
      samples: 2,
      maxLogitChange: 4,
      meanLogitChange: 3,
      maxLossChange: 4 * Math.SQRT2,
      meanLossChange: 3 * Math.SQRT2,
      marginSafeShare: 0.5, // 3 < 4, 8 > 2
      changedPredictions: 1, // [5, 6]
    })
    expect(sums.certificate()).toEqual({
      samples: 2,
      maxLogitChange: 4,
      meanLogitChange: 3,
      maxLossChange: null,
      meanLossChange: null,
      marginSafeShare: null,
      changedPredictions: null,
    })
  })

  it('counts no predictions if rounding decides one of them', () => {
    const map = (value: number) => ({ weight: tensor([[value, 0]]), bias: null })
    const sums = new DriftSums([map(1)], [map(1)])
    sums.add([tensor([[1]])])
    expect(sums.certificate(true).changedPredictions).toBe(0)
    sums.add([tensor([[1]])], { products: 0, outputs: 0.5, softmax: false }) // the margin is 1, and so is twice the rounding
    expect(sums.certificate(true)).toMatchObject({
      samples: 2,
      changedPredictions: null,
      marginSafeShare: 0.5,
    })
  })

  it('is refused of what are no maps', () => {
    const map = { weight: tensor([[1]]), bias: null }
    for (const wrong of [() => new DriftSums(5 as never, [map]), () => new DriftSums([map], 5 as never)]) {
      expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    }
    expect(() => new DriftSums([map], [5 as never])).toThrow(
      expect.objectContaining({ message: expect.stringContaining('a linear map') }),
    )
    expect(() => certifyDrift({} as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})
