import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScoreSums, sampleScores, scoreLogits } from '../../src/evaluate/index.js'
import { type Tensor, torch } from '../../src/index.js'
import type { DType } from '../../src/torch/index.js'

import { temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { writeTensor } from '../support/tensors.js'

const labelsFor = (images: number, classes: number) =>
  torch.tensor(
    Array.from({ length: images }, (_, i) => (i * 7) % classes),
    { dtype: 'int64' },
  )

/** Logits whose softmax is peaked on the label for most images, as a trained network's. */
function trained(images: number, classes: number, dtype: DType = 'float32'): Tensor {
  const noise = randn([images, classes], 3, 'float64')
  const labels = labelsFor(images, classes)
  return noise
    .scatter_add(1, labels.unsqueeze(1), torch.full([images, 1], 1.5, { dtype: 'float64' }))
    .to(dtype)
}

const cases: [string, Tensor][] = [
  ['1000 classes', trained(40, 1000)],
  ['10 classes, float64', trained(500, 10, 'float64')],
  ['bfloat16, where many logits are equal', trained(300, 50, 'bfloat16')],
  ['whole numbers, where most are equal', trained(300, 12).round()],
  ['all logits equal', torch.zeros([9, 7])],
  ['five classes', trained(100, 5)],
  ['four classes, without a top-5', trained(100, 4)],
  ['two sure classes', trained(60, 2).mul(200)],
  ['one class', trained(3, 1)],
]

function expectClose(value: number | null, expected: number | null): void {
  if (value === null || expected === null) expect(value).toBe(expected)
  else expect(value).toBeCloseTo(expected, 11)
}

describe('score', () => {
  // biome-ignore lint/suspicious/noExplicitAny: as the reference prints it
  let python: any[]

  beforeAll(async () => {
    const folder = temporaryFolder()
    const given = cases.map(([, logits], i) => {
      const [images, classes] = logits.shape as [number, number]
      const file = join(folder, String(i))
      writeTensor(file, logits.to('float64'))
      return { file, shape: logits.shape, labels: labelsFor(images, classes).to('int32').toArray() }
    })
    python = await reference('metrics', { cases: given })
  })

  it.each(cases.map(([name, logits], i) => ({ name, logits, i })))('$name', ({ logits, i }) => {
    const [images, classes] = logits.shape as [number, number]
    const { predictions, correct, reliability, ...figures } = scoreLogits(logits, labelsFor(images, classes))
    const expected = python[i]
    expect([...predictions]).toEqual(expected.predictions)
    expect([...correct]).toEqual(expected.correct)
    expect(figures.images).toBe(images)
    expectClose(figures.top1, expected.top1)
    expectClose(figures.top5, expected.top5)
    expectClose(figures.loss, expected.loss)
    expectClose(figures.calibrationError, expected.calibrationError)
    expect(reliability).toHaveLength(15)
    reliability.forEach((bin, k) => {
      expect(bin.count).toBe(expected.reliability[k].count)
      expectClose(bin.confidence, expected.reliability[k].confidence)
      expectClose(bin.accuracy, expected.reliability[k].accuracy)
    })
  })

  it('closes bins above: a confidence of k/15 belongs to those below it', () => {
    const binOf = (confidence: number) => {
      const sums = new ScoreSums(2)
      sums.add({
        predictions: Int32Array.of(0),
        ranks: Int32Array.of(0),
        losses: Float64Array.of(0),
        confidences: Float64Array.of(confidence),
      })
      return sums.score().reliability.findIndex(({ count }) => count === 1)
    }
    for (let k = 1; k <= 15; k++) {
      expect(binOf(k / 15)).toBe(k - 1)
      if (k < 15) expect(binOf(k / 15 + 1e-15)).toBe(k)
    }
    expect(binOf(1 + 2 ** -52)).toBe(14) // as exp(log softmax) may be, rounded
  })

  it('is the same in batches of any size, to the last bit', () => {
    const logits = trained(50, 20)
    const labels = labelsFor(50, 20)
    const sums = new ScoreSums(20)
    for (let start = 0; start < 50; start += 7) {
      const length = Math.min(7, 50 - start)
      sums.add(sampleScores(logits.narrow(0, start, length), labels.narrow(0, start, length)))
    }
    expect(sums.score()).toEqual(scoreLogits(logits, labels))
  })

  it('takes no NaN for right, and says NaN', () => {
    const nan = Number.NaN
    const logits = torch.tensor([
      [nan, nan, nan],
      [1, nan, 0],
      [nan, 1, 0],
    ])
    const result = scoreLogits(logits, torch.tensor([0, 0, 0], { dtype: 'int64' }))
    expect([...result.correct]).toEqual([0, 0, 0])
    expect([result.top1, result.loss, result.calibrationError]).toEqual([0, nan, nan])
  })

  it('of nothing is NaN', () => {
    expect(new ScoreSums(10).score()).toMatchObject({ images: 0, top1: Number.NaN, loss: Number.NaN })
  })

  it('refuses labels of another number, and what is no matrix of logits', () => {
    const labels = labelsFor(3, 4)
    const wrong: [number[], typeof labels][] = [
      [[3, 4], labelsFor(2, 4)],
      [[3, 4], labels.unsqueeze(1)],
      [[3], labels],
      [[3, 4, 5], labels],
    ]
    for (const [shape, given] of wrong) {
      expect(() => scoreLogits(torch.zeros(shape), given)).toThrow(
        expect.objectContaining({
          code: 'ERR_SHAPE',
          message: `expected logits [N, classes] and labels [N] but received [${shape.join(', ')}] and [${given.shape.join(', ')}]`,
        }),
      )
    }
    expect(() => scoreLogits(5 as never, labels)).toThrow('for logits but received 5')
    expect(() => scoreLogits(torch.zeros([3, 4]), 5 as never)).toThrow('for labels but received 5')
  })
})
