import { describe, expect, it } from 'vitest'
import { type Dataset, randomFlip, type Tensor, torch } from '../../src/index.js'
import { TrainingData } from '../../src/train/training-data.js'

import { vectors } from '../support/datasets.js'

const bytes = torch.randint(0, 256, [10, 2, 3, 4], { dtype: 'uint8', generator: new torch.Generator(1) })

/** A dataset of ten images of 24 bytes, those at `corrupt` damaged, that notes which pixels it is asked for. */
function noting(corrupt: readonly number[] = []) {
  const asked: number[][] = []
  const load: Dataset['load'] = async (indices) => {
    asked.push([...indices])
    const good = indices.filter((index) => !corrupt.includes(index))
    return {
      images: bytes.index_select(0, torch.tensor(good, { dtype: 'int64' })),
      indices: good,
      skipped: indices
        .filter((index) => corrupt.includes(index))
        .map((index) => ({ index, path: `${index}.png`, reason: 'damaged' })),
    }
  }
  const labels = Int32Array.from({ length: 10 }, (_, i) => i)
  const classes = [...labels].map(String)
  const data: Dataset = {
    name: 'bytes',
    size: 10,
    classes,
    labels,
    load,
    pixels: { mean: [0, 0], std: [1, 1], load },
  }
  return { data, asked }
}

async function labelsOf(data: TrainingData, first = 0): Promise<number[][]> {
  const batches: number[][] = []
  for await (const { images, targets } of data.epoch(0, first)) {
    const labels = Array.from(targets.toTypedArray() as BigInt64Array, Number)
    // The images are those of the labels, as numbers from 0 to 1.
    const expected = bytes
      .index_select(0, torch.tensor(labels, { dtype: 'int64' }))
      .to('float32')
      .div(255)
    expect(images.sub(expected).abs().max().item()).toBeLessThan(1e-6)
    batches.push(labels)
  }
  return batches
}

describe('pixels', () => {
  it.each([
    [undefined, true],
    [240, true],
    [239, false],
    [0, false],
  ])('lie on the device where they take no more than %s bytes', async (residentBytes, resident) => {
    const { data, asked } = noting()
    const opened = await TrainingData.open(data, {
      batchSize: 4,
      ...(residentBytes !== undefined && { residentBytes }),
    })
    expect(asked).toEqual(resident ? [[0], [...Array(10).keys()]] : [[0]])
    asked.length = 0
    const batches = await labelsOf(opened)
    expect(batches.map(({ length }) => length)).toEqual([4, 4, 2])
    expect(asked).toEqual(resident ? [] : batches)
    opened.dispose()
  })

  it('of which one is damaged are loaded batch by batch, and left out', async () => {
    const { data, asked } = noting([3])
    const opened = await TrainingData.open(data, { batchSize: 4 })
    asked.length = 0
    const batches = await labelsOf(opened)
    expect(batches.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9])
    expect(asked.flat().sort((a, b) => a - b)).toEqual([...Array(10).keys()])
    const all = await TrainingData.open(noting([...Array(10).keys()].slice(1)).data, { batchSize: 1 })
    await expect(labelsOf(all)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/^bytes: .*\b1\b/),
    })
  })

  it('that are loaded come while the caller is at work on the batch before', async () => {
    const { data, asked } = noting()
    const opened = await TrainingData.open(data, { batchSize: 4, residentBytes: 0 })
    asked.length = 0
    const seen: number[] = []
    for await (const { number } of opened.epoch(0)) {
      seen.push(number)
      expect(asked).toHaveLength(Math.min(3, number + 2))
    }
    expect(seen).toEqual([0, 1, 2])
    expect((await labelsOf(opened, 1)).map(({ length }) => length)).toEqual([4, 2])
    expect(await labelsOf(opened, 3)).toEqual([])
  })

  it('of a batch are freed with the next, also if the caller leaves early', async () => {
    for (const residentBytes of [0, 1e9]) {
      const opened = await TrainingData.open(noting().data, { batchSize: 4, residentBytes })
      const kept: Tensor[] = []
      for await (const { images, targets, number } of opened.epoch(0)) {
        for (const one of kept) expect(() => one.sum()).toThrow()
        kept.push(images, targets)
        if (number === 1) break
      }
      expect(kept).toHaveLength(4)
      for (const one of kept) expect(() => one.sum()).toThrow()
    }
  })
})

describe('a dataset without pixels', () => {
  it('is laid out as asked, and refused if it would be augmented', async () => {
    const { data } = noting()
    const images: Dataset = {
      name: data.name,
      size: 10,
      classes: data.classes,
      labels: data.labels,
      load: data.load,
    }
    for (const channelsLast of [true, false]) {
      const opened = await TrainingData.open(images, { batchSize: 5, channelsLast, dtype: 'float64' })
      for await (const batch of opened.epoch(0)) {
        expect([batch.images.stride()[1] === 1, batch.images.shape]).toEqual([channelsLast, [5, 2, 3, 4]])
        const labels = batch.targets
        expect(batch.images.to('float64').equal(bytes.index_select(0, labels).to('float64'))).toBe(true)
      }
    }
    await expect(TrainingData.open(images, { batchSize: 5, augment: [randomFlip()] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/^bytes: .*pixels/),
    })
  })

  it('gives its images in the dtype that is asked for', async () => {
    for (const [dtype, expected] of [
      ['float32', 'float32'],
      ['bfloat16', 'bfloat16'],
      [null, 'float64'],
    ] as const) {
      const opened = await TrainingData.open(vectors(4), { batchSize: 4, dtype })
      for await (const { images, targets } of opened.epoch(0))
        expect([images.dtype, targets.dtype]).toEqual([expected, 'int64'])
    }
  })
})
