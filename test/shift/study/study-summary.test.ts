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

it('sums the draws of each batch size and variant up, in every field', () => {
  const row = (of: Partial<StudyRow>, value: number): StudyRow => ({
    method: 'shift',
    policy: 'fixed:4',
    sampling: 'uniform',
    bias: 'fixed',
    batchSize: 20,
    seed: value,
    rank: value,
    lambda: null,
    singularValues: null,
    identity: false,
    rolledBack: null,
    normBefore: 9,
    normAfter: value + 1,
    batchLogitChange: 0,
    classesCovered: value + 2,
    unseen: null,
    score: {
      top1: value + 3,
      top5: value + 4,
      loss: value + 5,
      calibrationError: value + 6,
      reliability: [],
    },
    test: { onlyBefore: value + 7, onlyAfter: value + 8, pValue: value / 100, adjustedPValue: value / 50 },
    drift: {
      samples: 1,
      maxLogitChange: value + 9,
      meanLogitChange: 0,
      maxLossChange: 0,
      meanLossChange: 0,
      marginSafeShare: value + 10,
      changedPredictions: 0,
      sample: [],
    },
    warnings: [],
    ...of,
  })
  const unseen = { classes: 3, images: 1, top1Before: 0, top1After: 0 }
  const score = { top1: 1, top5: null, loss: 1, calibrationError: 1, reliability: [] }
  const summaries = summarise([
    row({ identity: true, unseen }, 1),
    row({ batchSize: 40 }, 5),
    row({ rolledBack: 'too far' }, 3),
    row({ sampling: 'stratified', score }, 2),
    row({ method: 'ridge', lambda: 0, rank: null }, 2),
    row({ policy: 'fixed:5' }, 2),
    row({ bias: 'absorb' }, 2),
  ])
  // Of 1 and 3 with n − 1: √2.
  const of = (shift: number) => ({ mean: 2 + shift, sd: expect.closeTo(Math.SQRT2, 12) })
  expect(summaries[0]).toEqual({
    method: 'shift',
    policy: 'fixed:4',
    sampling: 'uniform',
    bias: 'fixed',
    batchSize: 20,
    draws: 2,
    rank: of(0),
    norm: of(1),
    classesCovered: of(2),
    top1: of(3),
    top5: of(4),
    loss: of(5),
    calibrationError: of(6),
    onlyBefore: of(7),
    onlyAfter: of(8),
    logitChange: of(9),
    marginSafeShare: of(10),
    pValues: { smallest: 0.01, largest: 0.03 },
    significantDraws: 1, // 0.02; 0.06 is not, nor would it be written
    classesUnseen: { mean: 1.5, sd: expect.closeTo(1.5 * Math.SQRT2, 12) },
    identities: 1,
    undamped: 0,
    rolledBack: 1,
  })
  expect(
    summaries.map(({ method, policy, sampling, bias, batchSize, draws, top5, rank, undamped }) =>
      [method, policy, sampling, bias, batchSize, draws, top5?.mean, rank?.mean, undamped].join(' '),
    ),
  ).toEqual([
    'shift fixed:4 uniform fixed 20 2 6 2 0',
    'shift fixed:4 uniform fixed 40 1 9 5 0',
    'shift fixed:4 stratified fixed 20 1  2 0',
    'ridge fixed:4 uniform fixed 20 1 6  1',
    'shift fixed:5 uniform fixed 20 1 6 2 0',
    'shift fixed:4 uniform absorb 20 1 6 2 0',
  ])
  const justBelow = row({}, 0)
  for (const [adjustedPValue, significantDraws] of [
    [0.0499, 1],
    [0.05, 0],
  ] as const) {
    const one = { ...justBelow, test: { ...justBelow.test, adjustedPValue } }
    expect(summarise([one])[0]).toMatchObject({ significantDraws })
  }
})
