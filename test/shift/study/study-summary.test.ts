import fc from 'fast-check'
import { expect, it } from 'vitest'
import { holm } from '../../../src/base/statistics/holm.js'
import { spreadOf } from '../../../src/base/statistics/spread.js'
import type { StudyRow } from '../../../src/shift/index.js'
import { summarise } from '../../../src/shift/study/study-summary.js'

it('corrects p-values as R does: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")', () => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005])
  const expected = [0.03, 0.06, 0.06, 0.02]
  adjusted.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 12)
  })
})

it('corrects to no less than each p and no more than Bonferroni, in the same order', () => {
  const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(pValues, (values) => {
      const adjusted = holm(values)
      values.forEach((value, i) => {
        expect(adjusted[i]).toBeGreaterThanOrEqual(value)
        expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, value * values.length))
        values.forEach((other, j) => {
          if (value < other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]!)
        })
      })
    }),
  )
})

it('gives the mean and the deviation with n − 1, and none of one draw', () => {
  expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, sd: Math.sqrt(32 / 7) })
  expect(spreadOf([3])).toEqual({ mean: 3, sd: null })
})

it('counts the draws that are significant after the correction, and that would be written', () => {
  const row = (pValue: number, adjustedPValue: number, rolledBack: string | null): StudyRow =>
    ({
      method: 'shift',
      policy: 'logits:0.001',
      sampling: 'uniform',
      bias: 'fixed',
      batchSize: 20,
      rank: 20,
      rolledBack,
      score: { top1: 90, top5: null, loss: 0.3, calibrationError: 0.1 },
      drift: { maxLogitChange: 1, marginSafeShare: 0.5 },
      test: { onlyBefore: 3, onlyAfter: 1, pValue, adjustedPValue },
      unseen: null,
    }) as unknown as StudyRow
  const [summary] = summarise([
    row(0.001, 0.003, null), // significant
    row(0.02, 0.04, null), // significant
    row(0.03, 0.06, null), // by its raw p alone
    row(0.0001, 0.0004, 'the norm would grow'), // not written
  ])
  expect(summary).toMatchObject({
    draws: 4,
    significantDraws: 2,
    rolledBack: 1,
    pValues: { smallest: 0.0001, largest: 0.03 },
    top5: null,
  })
})
