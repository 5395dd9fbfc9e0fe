import { describe, expect, it } from 'vitest'
import { torch } from '../../src/index.js'
import { DriftSums } from '../../src/shift/certificates.js'
import { certifyDrift, measureDrift, solveShift } from '../../src/shift/index.js'
import { randn } from '../support/random.js'

const a = randn([20, 32], 1)
const v = randn([32, 5], 2).mul(0.3)
const b = randn([5], 3)
const others = randn([9000, 32], 4)

describe('certify', () => {
  it('gives what dense arithmetic gives, in one chunk or several', async () => {
    const solved = await solveShift(a, v, b, { bias: 'absorb' })
    const { samples, ...told } = certifyDrift(
      measureDrift(others, { weight: v, bias: b }, { weight: solved.weight, bias: solved.bias }),
    )
    const rows = others.to('float64')
    const z = rows.matmul(v.to('float64')).add(b.to('float64'))
    const zStar = rows.matmul(solved.weight).add(solved.bias!)
    const change = zStar.sub(z)
    expect(samples).toBe(9000)
    expect(told.maxLogitChange).toBeCloseTo(change.abs().max().item(), 10)
    expect(told.meanLogitChange).toBeCloseTo(change.abs().amax([1]).mean().item(), 10)
    const norms = change.square().sum([1]).sqrt()
    expect(told.maxLossChange).toBeCloseTo(Math.SQRT2 * norms.max().item(), 10)
    expect(told.changedPredictions).toBe(z.argmax(1).ne(zStar.argmax(1)).sum().item())
    // The bounds hold: no loss changed by more, whatever the label, and no safe prediction changed.
    const logs = torch.log_softmax(z, 1).sub(torch.log_softmax(zStar, 1)).abs()
    expect(logs.max().item()).toBeLessThanOrEqual(told.maxLossChange)
    expect(logs.amax([1]).le(norms.mul(Math.SQRT2)).all().item()).toBe(1)
    expect(told.changedPredictions / samples).toBeLessThanOrEqual(1 - told.marginSafeShare)
    expect(told.marginSafeShare).toBeGreaterThan(0)
    expect(told.changedPredictions).toBeGreaterThan(0)
  })

  it('is that of nothing for the batch itself', async () => {
    const solved = await solveShift(a, v, b)
    const told = certifyDrift(measureDrift(a, { weight: v, bias: b }, solved))
    expect(told.maxLogitChange).toBeLessThanOrEqual(1e-3)
    expect(told).toMatchObject({ samples: 20, marginSafeShare: 1, changedPredictions: 0 })
  })

  it.each([
    ['bfloat16', 2 ** -7],
    ['float16', 2 ** -10],
    ['float32', 2 ** -23],
  ] as const)('holds in %s, with what is rounded there', (dtype, outputs) => {
    // Classes that are closer than their numbers are in this dtype, around a large logit.
    const step = 64 * outputs
    const stored = (seed: number) => randn([32, 5], seed).mul(step).to(dtype)
    const [before, after] = [
      stored(5),
      stored(5).add(
        randn([32, 5], 6)
          .mul(step / 50)
          .to(dtype),
      ),
    ]
    const bias = torch.full([5], 100, { dtype })
    const rows = others.to(dtype)
    const predictions = (weight: typeof v) => torch.linear(rows, weight.t(), bias).argmax(1)
    const [first, second] = [before, after].map((weight) => predictions(weight).toArray() as number[])
    const changed = first!.map((prediction, i) => prediction !== second![i])
    const safe = (rounding?: Parameters<typeof measureDrift>[3]) => {
      const told = measureDrift(rows, { weight: before, bias }, { weight: after, bias }, rounding)
      return changed.map((_, i) => told.margin[i]! > told.spread[i]! + 2 * told.noise[i]!)
    }
    const among = (all: readonly boolean[]) => changed.filter((one, i) => one && all[i]).length
    const rounded = safe({ products: 16 * 2 ** -23, outputs, softmax: false })
    expect(among(safe())).toBeGreaterThan(0) // without a thought of rounding it is false
    expect(among(rounded)).toBe(0)
    expect(rounded.filter(Boolean).length).toBeGreaterThan(dtype === 'float32' ? 0 : 1000)
    const decided = measureDrift(
      rows,
      { weight: before, bias },
      { weight: after, bias },
      { products: 16 * 2 ** -23, outputs, softmax: false },
    )
    changed.forEach((one, i) => {
      if (decided.undecided[i] === 0) expect(decided.changed[i] === 1).toBe(one)
    })
  })

  it('calls a class safe if the margin exceeds the largest less the smallest change, by hand', () => {
    const tensor = (rows: number[][]) => torch.tensor(rows, { dtype: 'float64' })
    // One input, so that an image's logits are its input times V, plus b; V* = V + D.
    const before = { weight: tensor([[1, 0, -1]]), bias: torch.tensor([0.5, 0, 0], { dtype: 'float64' }) }
    const after = { weight: tensor([[1.25, -0.25, -1]]), bias: before.bias }
    const one = measureDrift(tensor([[1], [-1], [0.125], [4]]), before, after)
    // z: [1.5, 0, -1], [-0.5, 0, 1], [0.625, 0, -0.125], [4.5, 0, -4]; Δz: the input times [0.25, -0.25, 0].
    expect([...one.spread]).toEqual([0.5, 0.5, 0.0625, 2])
    expect([...one.margin]).toEqual([1.5, 1, 0.625, 4.5])
    expect([...one.change]).toEqual([0.25, 0.25, 0.03125, 1])
    const norms = [0.25, 0.25, 0.03125, 1].map((change) => change * Math.SQRT2)
    norms.forEach((norm, i) => void expect(one.norm[i]).toBeCloseTo(norm, 14))
    expect(certifyDrift(one).marginSafeShare).toBe(1)
    expect(certifyDrift(one).meanLossChange).toBeCloseTo((2 * (0.25 + 0.25 + 0.03125 + 1)) / 4, 14)
    // The margin is 1 and the spread 0.7; the largest logit, 1, is rounded by a fifth, before and after.
    const [narrow, wide] = [[[1, 0]], [[1, 0.7]]].map((rows) => ({ weight: tensor(rows), bias: null }))
    const safeShare = (outputs: number) =>
      certifyDrift(measureDrift(tensor([[1]]), narrow!, wide!, { products: 0, outputs, softmax: false }))
        .marginSafeShare
    expect([safeShare(0), safeShare(0.1), safeShare(0.2)]).toEqual([1, 1, 0])
    // The margin lies between the largest change and the largest less the smallest: the class may change.
    const close = measureDrift(
      tensor([[1]]),
      { weight: tensor([[0.4, 0]]), bias: null },
      { weight: tensor([[0.1, 0.3]]), bias: null },
    )
    expect([close.margin[0], close.change[0]]).toEqual([0.4, expect.closeTo(0.3, 12)])
    expect(certifyDrift(close)).toMatchObject({ marginSafeShare: 0, changedPredictions: 1 })
  })

  it('has the spread of each sample, and lets no safe sample change', async () => {
    const solved = await solveShift(a, v, b, { bias: 'absorb' })
    const one = measureDrift(others, { weight: v, bias: b }, solved)
    const rows = others.to('float64')
    const z = rows.matmul(v.to('float64')).add(b.to('float64')).toArray() as number[][]
    const zStar = rows.matmul(solved.weight).add(solved.bias!).toArray() as number[][]
    const place = (logits: number[]) => logits.indexOf(Math.max(...logits))
    let safe = 0
    for (const [i, logits] of z.entries()) {
      const change = zStar[i]!.map((logit, k) => logit - logits[k]!)
      const spread = Math.max(...change) - Math.min(...change)
      const [best, second] = [...logits].sort((x, y) => y - x) as [number, number]
      if (Math.abs(one.spread[i]! - spread) > 1e-10)
        throw new Error(`sample ${i}: ${one.spread[i]}, not ${spread}`)
      if (best - second <= spread) continue
      safe++
      if (place(zStar[i]!) !== place(logits)) throw new Error(`sample ${i} is safe but changed`)
    }
    expect(certifyDrift(one).marginSafeShare).toBeCloseTo(safe / 9000, 12)
    expect([safe > 0, safe < 9000]).toEqual([true, true])
  })

  it('refuses invalid maps and rows', () => {
    const map = { weight: v, bias: b }
    const refused = (name: string) =>
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(`for ${name} `),
      })
    expect(() => measureDrift(a, map, 5 as never)).toThrow(refused('a linear map'))
    expect(() => measureDrift(a, { weight: [1] as never, bias: b }, map)).toThrow(refused('its weight'))
    expect(() => measureDrift(a, map, { weight: v, bias: 5 as never })).toThrow(refused('its bias'))
    expect(() => measureDrift([1] as never, map, map)).toThrow(refused('a'))
    expect(() => certifyDrift(5 as never)).toThrow(refused('drift'))
  })

  it('does not let a NaN pass for a small drift', () => {
    const map = (value: number) => ({ weight: torch.tensor([[value, 0]], { dtype: 'float64' }), bias: null })
    const told = certifyDrift(
      measureDrift(torch.tensor([[1], [2]], { dtype: 'float64' }), map(1), map(Number.NaN)),
    )
    expect([told.maxLogitChange, told.maxLossChange, told.marginSafeShare]).toEqual([
      Number.NaN,
      Number.NaN,
      0,
    ])
  })

  it('knows the largest logit with its bias, over chunks and groups', () => {
    const tensor = (rows: number[][]) => torch.tensor(rows, { dtype: 'float64' })
    const group = (weight: number, bias: number) => ({
      weight: tensor([[weight]]),
      bias: tensor([[bias]]).flatten(),
    })
    const sums = new DriftSums([group(1, -10), group(2, 1)], [group(1, -10), group(2, 1.5)])
    sums.add([tensor([[3], [1]]), tensor([[1], [2]])]) // logits [-7, 3] and [-9, 5]
    sums.add([tensor([[5]]), tensor([[3]])]) // [-5, 7]
    expect(sums.largestLogit).toBe(9)
    expect(sums.certificate()).toMatchObject({
      samples: 3,
      maxLogitChange: 0.5,
      meanLogitChange: 0.5,
      marginSafeShare: null,
    })
  })
})
