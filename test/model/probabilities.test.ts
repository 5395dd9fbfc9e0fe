import { describe, expect, it } from 'vitest'
import { torch } from '../../src/index.js'
import { areProbabilities } from '../../src/model/index.js'
import { asLogits, expectKind, isOutputOf } from '../../src/model/probabilities.js'
import type { DType } from '../../src/torch/index.js'
import { randn } from '../support/random.js'

const tensor = (rows: number[][], dtype: DType = 'float64') => torch.tensor(rows, { dtype })

describe('rows of probabilities', () => {
  it.each<[string, number[][], DType, boolean]>([
    [
      'rows that add up to 1',
      [
        [0.25, 0.75],
        [1, 0],
      ],
      'float64',
      true,
    ],
    [
      'a row that does not',
      [
        [0.25, 0.75],
        [0.5, 0.4],
      ],
      'float64',
      false,
    ],
    ['a number below 0', [[1.25, -0.25]], 'float64', false],
    [
      'a number above 1',
      [
        [0.5, 0.5],
        [1.5, -0.5],
      ],
      'float64',
      false,
    ],
    ['a sum within the rounding of float32', [[0.50004, 0.5]], 'float32', true],
    ['a sum beyond it', [[0.5003, 0.5]], 'float32', false],
    ['a sum within the rounding of bfloat16', [[0.5078125, 0.5]], 'bfloat16', true],
    ['a sum within the rounding of float16', [[0.51, 0.5]], 'float16', true],
    ['a sum beyond that', [[0.53, 0.5]], 'float16', false],
    ['a NaN', [[Number.NaN, 1]], 'float64', false],
    ['one class', [[1], [1]], 'float64', false],
  ])('%s', (_, rows, dtype, expected) => {
    const output = tensor(rows, dtype)
    expect(areProbabilities(output)).toBe(expected)
    const [right, wrong] = expected
      ? (['probabilities', 'logits'] as const)
      : (['logits', 'probabilities'] as const)
    expect(() => expectKind(output, right)).not.toThrow()
    expect(() => expectKind(output, wrong)).toThrow(expect.objectContaining({ code: 'ERR_PROBABILITIES' }))
  })

  it('are none without images, or of another shape', () => {
    expect(areProbabilities(torch.zeros([0, 3]))).toBe(false)
    expect(areProbabilities(torch.full([2, 2, 2], 0.5))).toBe(false)
  })

  it('have logits: their logarithms, and of 0 the one of the smallest normal number', () => {
    const p = tensor([
      [0.25, 0.75],
      [1, 0],
    ])
    expect(asLogits(p, 'logits').toArray()).toEqual(p.toArray())
    expect(asLogits(p, 'probabilities').toArray()).toEqual([
      [Math.log(0.25), Math.log(0.75)].map((value) => expect.closeTo(value, 12)),
      [0, expect.closeTo(-1022 * Math.LN2, 9)],
    ])
    const ofZero = (dtype: DType) =>
      asLogits(tensor([[0, 1]], dtype), 'probabilities')
        .to('float64')
        .select(1, 0)
        .item()
    expect(ofZero('float32') / (-126 * Math.LN2)).toBeCloseTo(1, 6)
    expect(ofZero('float16') / (-14 * Math.LN2)).toBeCloseTo(1, 2)
  })

  it('know the output of logits: they, their softmax or its logarithm', () => {
    const logits = randn([5, 4], 1, 'float64').mul(3)
    for (const output of [logits, logits.softmax(1), logits.log_softmax(1), logits.add(1e-5)]) {
      expect(isOutputOf(logits, output)).toBe(true)
    }
    for (const output of [logits.mul(1.01), logits.softmax(0), logits.sigmoid(), logits.narrow(1, 0, 3)]) {
      expect(isOutputOf(logits, output)).toBe(false)
    }
  })
})
