import { describe, expect, it } from 'vitest'
import { mcnemar } from '../../../src/index.js'

import { reference } from '../../support/python.js'

/** Results of two models with b images that only the first has right, c that only the second has, and some of both. */
function results(b: number, c: number): [Uint8Array, Uint8Array] {
  const first = [...Array(b).fill(1), ...Array(c).fill(0), 1, 1, 0]
  const second = [...Array(b).fill(0), ...Array(c).fill(1), 1, 1, 0]
  return [Uint8Array.from(first), Uint8Array.from(second)]
}

const counts = [
  [0, 0],
  [1, 0],
  [0, 5],
  [3, 3],
  [10, 11],
  [21, 8],
  [121, 59],
  [1500, 1400],
  [4210, 4498],
  [12000, 12600],
  [300, 900],
  [0, 1074],
  [2000, 2000],
]

describe('mcnemar', () => {
  it("gives the exact binomial's p-value, also for thousands of discordant images", async () => {
    const python: number[] = await reference('mcnemar', { counts })
    counts.forEach(([b, c], i) => {
      const result = mcnemar(...results(b!, c!))
      expect([result.onlyFirst, result.onlySecond]).toEqual([b, c])
      expect([b, c, Math.abs(result.pValue / python[i]! - 1) < 1e-12]).toEqual([b, c, true])
    })
  })

  it('does not change if the models change places', () => {
    const [first, second] = results(30, 12)
    expect(mcnemar(second, first)).toEqual({
      onlyFirst: 12,
      onlySecond: 30,
      pValue: mcnemar(first, second).pValue,
    })
  })

  it('takes a p-value below the doubles for 0', () => {
    expect(mcnemar(...results(0, 5000)).pValue).toBe(0)
  })

  it('refuses results on different images', () => {
    expect(() => mcnemar(new Uint8Array(3), new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})
