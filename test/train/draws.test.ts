import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { mixup, randomCrop, randomFlip, type Tensor, torch } from '../../src/index.js'

import { TrainingData, type TrainingDataOptions } from '../../src/train/training-data.js'

/** The same image of noise again and again: what batches do not have in common is what was drawn for them. */
function equalImages(size: number): Dataset {
  const image = torch.randint(0, 256, [1, 1, 12, 12], { dtype: 'uint8', generator: new torch.Generator(1) })
  const load = async (indices: readonly number[]) => ({
    images: image.expand([indices.length, 1, 12, 12]).clone(),
    indices,
    skipped: [],
  })
  const labels = Int32Array.from({ length: size }, (_, i) => i % 2)
  const pixels = { mean: [0.5], std: [0.25], load }
  return { name: 'equal', size, classes: ['even', 'odd'], labels, load, pixels }
}

async function epochOf(options: TrainingDataOptions, epoch: number) {
  const data = await TrainingData.open(equalImages(32), options)
  const batches: { images: unknown; targets: Tensor }[] = []
  for await (const { images, targets } of data.epoch(epoch)) {
    batches.push({ images: images.toArray(), targets: targets.clone() })
  }
  data.dispose()
  return batches
}

/** λ of a batch of two classes: an image whose class is mixed with the other has the shares λ and 1 − λ. */
const lambdasOf = (targets: Tensor) =>
  new Set((targets.toArray() as number[][]).flat().filter((share) => share > 1e-6 && share < 1 - 1e-6))

describe('what is drawn for a batch', () => {
  it.each([
    ['crops', [randomCrop(3)]],
    ['flips', [randomFlip()]],
  ])('differs from batch to batch and from epoch to epoch: %s', async (_, augment) => {
    const epochs = [await epochOf({ batchSize: 8, augment }, 0), await epochOf({ batchSize: 8, augment }, 1)]
    const all = epochs.flat().map(({ images }) => JSON.stringify(images))
    expect(new Set(all).size).toBe(8)
    const again = await epochOf({ batchSize: 8, augment }, 0)
    expect(again.map(({ images }) => JSON.stringify(images))).toEqual(all.slice(0, 4))
  })

  it('mixes each batch by a share of its own', async () => {
    const epochs = [
      await epochOf({ batchSize: 8, mixup: mixup() }, 0),
      await epochOf({ batchSize: 8, mixup: mixup() }, 1),
    ]
    const shares = epochs.flat().map(({ targets }) => lambdasOf(targets))
    for (const one of shares) expect(one.size).toBeLessThanOrEqual(4) // λ and 1 − λ, up to rounding
    expect(new Set(shares.map((one) => Math.max(...one).toFixed(5))).size).toBe(8)
  })

  it.each([0.2, 1, 8])('is of a share of the distribution Beta(%d, %d)', (alpha) => {
    const mix = mixup(alpha)
    const images = torch.zeros([2, 1, 1, 1], { dtype: 'float64' })
    const labels = torch.tensor([0, 1], { dtype: 'int64' })
    const generator = new torch.Generator(5)
    const squares: number[] = []
    while (squares.length < 2000) {
      const { targets } = mix.apply(images, labels, 2, generator)
      const [own, other] = (targets.toArray() as number[][])[0] as [number, number]
      if (own !== 1) squares.push((own - other) ** 2 / 4)
    }
    // The variance of a Beta variable of two equal parts: 1 / (4 (2α + 1)), about a half.
    const variance = squares.reduce((a, b) => a + b) / squares.length
    const expected = 1 / (4 * (2 * alpha + 1))
    expect(Math.abs(variance / expected - 1)).toBeLessThan(0.1)
  })
})
