import { describe, expect, it } from 'vitest'
import { mcnemar } from '../../src/base/statistics/mcnemar.js'
import { percent, pValue, share, signedPercent } from '../../src/report/numbers.js'
import { normRatio } from '../../src/report/training/run.js'

describe('a p-value', () => {
  it('below what doubles hold is told by that bound', () => {
    const count = 3000
    const worse = mcnemar(new Uint8Array(count).fill(1), new Uint8Array(count))
    expect(worse.pValue).toBe(0) // 2 · 2^-3000
    expect(pValue(worse.pValue)).toBe('< 1e−300')
  })

  it('above it has its digits', () => {
    const few = mcnemar(new Uint8Array(30).fill(1), new Uint8Array(30))
    expect(pValue(few.pValue)).toBe('2e−9') // 2 · 2^-30 = 1.86e-9
    expect([0.0421, 1, 2e-300].map(pValue)).toEqual(['0.042', '1', '2e−300'])
  })
})

describe('a share of nothing', () => {
  it('is a dash and not NaN', () => {
    const nothing = 0 / 0
    expect([percent(nothing), signedPercent(nothing), share(nothing)]).toEqual(['–', '–', '–'])
    expect(percent(null)).toBe('–')
    expect([percent(12.345), signedPercent(-12.345), signedPercent(3), share(0.9999)]).toEqual([
      '12.35 %',
      '−12.35 %',
      '+3.00 %',
      '> 99.9 %',
    ])
    expect([normRatio({ normBefore: 0, normAfter: 0 }), normRatio({ normBefore: 2, normAfter: 1 })]).toEqual([
      1, 0.5,
    ])
  })
})
