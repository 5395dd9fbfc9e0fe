import { describe, expect, it } from 'vitest'

import { certify, drift, solveShift, torch } from '../../src/index.js'
import { randn } from '../support/random.js'

const a = randn([20, 32], 1)
const v = randn([32, 5], 2).mul(0.3)
const b = randn([5], 3)
const others = randn([9000, 32], 4)

describe('certify', () => {
  it('tells what dense arithmetic tells, in one chunk or several', async () => {
    const solved = await solveShift(a, v, b, { bias: 'absorb' })
    const { samples, ...told } = certify(
      drift(others, { weight: v, bias: b }, { weight: solved.weight, bias: solved.bias }),
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
    const told = certify(drift(a, { weight: v, bias: b }, solved))
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
    const safe = (rounding?: Parameters<typeof drift>[3]) => {
      const told = drift(rows, { weight: before, bias }, { weight: after, bias }, rounding)
      return changed.map((_, i) => told.margin[i]! > told.spread[i]! + 2 * told.noise[i]!)
    }
    const among = (all: readonly boolean[]) => changed.filter((one, i) => one && all[i]).length
    const rounded = safe({ products: 16 * 2 ** -23, outputs, softmax: false })
    expect(among(safe())).toBeGreaterThan(0) // without a thought of rounding it is false
    expect(among(rounded)).toBe(0)
    expect(rounded.filter(Boolean).length).toBeGreaterThan(dtype === 'float32' ? 0 : 1000)
    const decided = drift(
      rows,
      { weight: before, bias },
      { weight: after, bias },
      { products: 16 * 2 ** -23, outputs, softmax: false },
    )
    changed.forEach((one, i) => {
      if (decided.undecided[i] === 0) expect(decided.changed[i] === 1).toBe(one)
    })
  })
})
