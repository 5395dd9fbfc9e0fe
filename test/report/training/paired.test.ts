import { describe, expect, it } from 'vitest'

import { chanceOfExceeding, exceedsSpread, pairedBySeed } from '../../../src/report/training/paired.js'

describe('pairedBySeed', () => {
  const of = ({ value }: { seed: number; value: number | null }) => value

  it('compares the seeds that are in both and tell the value', () => {
    const some = [1, 2, 3].map((seed) => ({ seed, value: 10 * seed }))
    const others = [
      { seed: 3, value: 28 },
      { seed: 2, value: 24 },
      { seed: 1, value: null },
    ]
    expect(pairedBySeed(some, others, of)).toEqual({
      mean: -1,
      sd: Math.sqrt(18),
      pairs: 2,
      higher: 1,
      lower: 1,
      against: 26,
    })
    expect(pairedBySeed(some, [{ seed: 4, value: 1 }], of)).toBeNull()
  })
})

describe('exceedsSpread', () => {
  it('needs two pairs', () => {
    const pair = { pairs: 1, higher: 1, lower: 0, against: 1 }
    expect(exceedsSpread({ ...pair, mean: 5, sd: null })).toBe(false)
    expect(exceedsSpread({ ...pair, mean: -5, sd: 4.9 })).toBe(true)
    expect(exceedsSpread({ ...pair, mean: 5, sd: 5 })).toBe(false)
    expect(exceedsSpread({ ...pair, mean: 0, sd: 0 })).toBe(false)
  })
})

describe('chanceOfExceeding', () => {
  it('is the two-sided tail of Student’s distribution at √n', () => {
    for (const n of [2, 3, 4, 5, 6, 9, 10]) expect(chanceOfExceeding(n)).toBeCloseTo(tail(n), 8)
  })

  /** ∫ of (1 + x²/ν)^−(ν+1)/2 beyond √n as a share of the whole, with x = √ν tan θ: ∫ cos^(ν−1) θ dθ, by the midpoint rule. */
  function tail(n: number): number {
    const freedom = n - 1
    const integral = (to: number) => {
      const steps = 20_000
      let sum = 0
      for (let i = 0; i < steps; i++) sum += Math.cos(((i + 0.5) * to) / steps) ** (freedom - 1)
      return (sum * to) / steps
    }
    return 1 - integral(Math.atan(Math.sqrt(n / freedom))) / integral(Math.PI / 2)
  }
})
