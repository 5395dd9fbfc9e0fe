import { describe, expect, it } from 'vitest'
import { torch } from '../../src/index.js'
import type { ShiftableLayer } from '../../src/shift/layer/layer.js'
import { describeShift, type ShiftResult } from '../../src/shift/shift-record.js'
import type { Solution } from '../../src/shift/solve/solve.js'

import { vectors } from '../support/datasets.js'

const layer: ShiftableLayer = { path: 'head', inFeatures: 2, outFeatures: 2, hasBias: false }
const convolution: ShiftableLayer = {
  ...layer,
  geometry: { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 2 },
}
const map = (...rows: number[][]) => ({ weight: torch.tensor(rows, { dtype: 'float64' }), bias: null })
const solution = (rank: number, singularValues: number[] | null, warnings: string[] = []): Solution => ({
  ...map([0, 0], [0, 0]),
  rank,
  singularValues,
  companions: [],
  warnings,
})

/** The facts about a shift of two images of the classes a and c that leaves out the second input. */
const result = (change: Partial<ShiftResult> = {}): ShiftResult => ({
  layer,
  options: {},
  dataset: vectors(12),
  batch: { sampling: 'uniform', seed: 5, indices: [3, 2], batchSize: 2, rows: 2 },
  before: [map([3, 0], [0, 4])],
  after: [map([3, 0], [0, 0])],
  solutions: [solution(1, [7, 0.5], ['no gap'])],
  replaced: { normBefore: 5, normAfter: 3, batchLogitChange: 0.25 },
  dtype: 'float16',
  roundingChange: 0.125,
  toOutput: ['aten::softmax'],
  certificate: null,
  measured: { images: 3, changed: 1 },
  warnings: ['rounding', 'no gap'],
  milliseconds: 12.5,
  ...change,
})

describe('the record of a shift', () => {
  it('reports what came of it, in every field', () => {
    expect(describeShift(result())).toEqual({
      layer: 'head',
      solver: 'svd',
      policy: 'logits:0.001',
      bias: 'fixed',
      batchSize: 2,
      rows: { count: 2, of: 'images' },
      sampling: 'uniform',
      seed: 5,
      indices: [3, 2],
      classesCovered: 2,
      classes: 3,
      unseenClasses: ['b'],
      rank: 1,
      inFeatures: 2,
      singularValues: { first: 7, last: 7, next: 0.5 },
      normBefore: 5,
      normAfter: 3,
      batchLogitChange: 0.25,
      dtype: 'float16',
      roundingChange: 0.125,
      identity: false,
      toOutput: ['aten::softmax'],
      certificate: null,
      measured: { images: 3, changed: 1 },
      warnings: ['no gap', 'rounding'],
      milliseconds: 12.5,
    })
  })

  it('adds groups up, and gives singular values of one alone', () => {
    const record = describeShift(
      result({
        layer: convolution,
        batch: { sampling: 'given', seed: 0, indices: [0], batchSize: 2, rows: 2 },
        before: [map([1], [0]), map([2], [0])],
        after: [map([1], [0]), map([2], [0])],
        solutions: [solution(2, [7, 1]), solution(1, [3, 1])],
      }),
    )
    expect(record).toMatchObject({
      rows: { count: 2, of: 'windows' },
      rank: 3,
      inFeatures: 4,
      singularValues: null,
      classesCovered: 1,
      unseenClasses: ['b', 'c'],
      identity: true,
    })
  })

  it('calls rows positions if an image gives several', () => {
    const batch = { sampling: 'given', seed: 0, indices: [0], batchSize: 2, rows: 6 } as const
    expect(describeShift(result({ batch })).rows).toEqual({ count: 6, of: 'positions' })
  })

  it('counts the classes of all samples if they all are the batch', () => {
    const dataset = { ...vectors(12), labels: new Int32Array(12).fill(1) }
    const batch = { sampling: 'all', seed: 0, indices: [], batchSize: 12, rows: 12 } as const
    const { classesCovered, unseenClasses } = describeShift(result({ dataset, batch }))
    expect([classesCovered, unseenClasses]).toEqual([1, ['a', 'c']])
  })

  it.each([
    [{}, 'svd', 'logits:0.001', 'fixed'],
    [{ solver: 'gram', bias: 'absorb' }, 'gram', 'logits:0.001', 'absorb'],
    [{ solver: 'qr' }, 'qr', 'tolerance', 'fixed'],
    [
      { solver: 'gaussian', rank: { policy: 'tolerance', tolerance: 0.5 } },
      'gaussian',
      'tolerance:0.5',
      'fixed',
    ],
    [{ rank: { policy: 'fixed', rank: 7 }, bias: 'augment' }, 'svd', 'fixed:7', 'augment'],
  ] as const)('names how %j was solved', (options, solver, policy, bias) => {
    expect(describeShift(result({ options }))).toMatchObject({ solver, policy, bias })
  })

  it('has the singular values around the cut', () => {
    const cut = (rank: number, values: number[] | null) =>
      describeShift(result({ solutions: [solution(rank, values)] })).singularValues
    expect(cut(2, [9, 4, 1])).toEqual({ first: 9, last: 4, next: 1 })
    expect(cut(3, [9, 4, 1])).toEqual({ first: 9, last: 1, next: null })
    expect(cut(0, [9, 4, 1])).toEqual({ first: 9, last: 0, next: 9 })
    expect(cut(2, null)).toBeNull()
  })

  // ‖V‖ is 5; a millionth of it is 5e-6.
  it.each([
    [0, true],
    [4.9e-6, true],
    [5.1e-6, false],
  ])('calls it the identity if no more than a millionth of the norm moved: %d', (moved, identity) => {
    const [before, after] = [
      [map([3, 0]), map([0, 4])],
      [map([3 + 0.6 * moved, 0]), map([0.8 * moved, 4])],
    ]
    expect(describeShift(result({ before, after })).identity).toBe(identity)
  })
})
