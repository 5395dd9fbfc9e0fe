import { describe, expect, it } from 'vitest'
import { type Batch, batches } from '../../src/data/batches.js'
import { firstNames } from '../../src/data/class-outputs.js'
import { evenIndices } from '../../src/data/dataset.js'
import { type Dataset, type Tensor, torch } from '../../src/index.js'
import { vectors } from '../support/datasets.js'

describe('batches of a dataset', () => {
  const data = vectors(10)

  it('are the images asked for, in their order, with their labels', async () => {
    const found: [readonly number[], unknown, unknown][] = []
    for await (const { images, labels, indices } of batches(data, [9, 0, 4, 4, 2], 2)) {
      found.push([indices, images.toArray(), labels.toArray()])
    }
    const { images } = await data.load([9, 0, 4, 4, 2])
    const rows = images.toArray() as number[][]
    expect(found).toEqual([
      [[9, 0], rows.slice(0, 2), [0, 0]],
      [[4, 4], rows.slice(2, 4), [1, 1]],
      [[2], rows.slice(4), [2]],
    ])
  })

  it('are freed when the next is asked for, and if the caller leaves early', async () => {
    const loaded: Tensor[] = []
    const load = async (indices: readonly number[]) => {
      const part = await data.load(indices)
      loaded.push(part.images)
      return part
    }
    const seen: Batch[] = []
    for await (const batch of batches({ ...data, load }, [0, 1, 2, 3], 2)) {
      expect([batch.images, batch.labels].some(({ disposed }) => disposed)).toBe(false)
      seen.push(batch)
    }
    expect(seen).toHaveLength(2)
    expect(seen.flatMap(({ images, labels }) => [images.disposed, labels.disposed])).toEqual(
      Array(4).fill(true),
    )
    loaded.length = 0
    for await (const _ of batches({ ...data, load }, [0, 1, 2, 3, 4, 5], 2)) break
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(loaded.map(({ disposed }) => disposed)).toEqual([true, true]) // the second was loaded ahead
  })

  const load = (change: (asked: readonly number[]) => Promise<unknown> | unknown) => {
    const own = { ...data, load: change as Dataset['load'] }
    return batches(own, [3, 5, 4], 3).next()
  }

  it('take a dataset of one’s own, also if its load is not asynchronous or skips samples', async () => {
    const images = torch.zeros([2, 6])
    const skipped = [{ index: 5, path: '5.png', reason: 'damaged' }]
    const { value } = await load(() => ({ images, indices: [3, 4], skipped }))
    expect([value!.indices, value!.labels.toArray()]).toEqual([
      [3, 4],
      [0, 1],
    ])
  })

  it.each([
    ['nothing', () => undefined, 'load to return .* but it returned undefined'],
    ['a tensor alone', () => torch.zeros([3, 6]), 'but it returned an object'],
    ['an array of images', () => ({ images: [1], indices: [3, 5, 4], skipped: [] }), 'images: an array'],
    ['no skipped', () => ({ images: torch.zeros([3, 6]), indices: [3, 5, 4] }), 'skipped: undefined'],
    [
      'a sample less',
      () => ({ images: torch.zeros([2, 6]), indices: [5, 4], skipped: [] }),
      'is 5 and not 3',
    ],
    [
      'the last one less',
      () => ({ images: torch.zeros([2, 6]), indices: [3, 5], skipped: [] }),
      '\\[2\\] is undefined and not 4',
    ],
    [
      'another order',
      () => ({ images: torch.zeros([3, 6]), indices: [3, 4, 5], skipped: [] }),
      'is 4 and not 5',
    ],
    [
      'one too many',
      () => ({ images: torch.zeros([4, 6]), indices: [3, 5, 4, 6], skipped: [] }),
      'is 6 and not undefined',
    ],
    [
      'an image less',
      () => ({ images: torch.zeros([2, 6]), indices: [3, 5, 4], skipped: [] }),
      'its images are \\[2, 6\\]',
    ],
  ])('refuse a load that returns %s', async (_, given, message) => {
    await expect(load(given)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(message),
    })
  })

  it('refuse what is not a dataset, and say which part is wrong', async () => {
    const first = (change: object) => batches({ ...data, ...change } as Dataset, [0], 1).next()
    for (const [change, message] of [
      [{ size: 0, labels: new Int32Array(0) }, 'a size of at least 1 for dataset but received 0'],
      [{ labels: [0, 1, 2] }, 'labels in an Int32Array'],
      [{ labels: new Int32Array(3) }, '10 labels, one for each sample, for dataset but received 3'],
      [{ classes: undefined }, 'an array of the names of its classes'],
      [{ load: undefined }, 'a function load'],
    ] as const) {
      await expect(first(change)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(message),
      })
    }
  })

  it('refuse an index that does not exist, and an invalid size', async () => {
    const first = (indices: number[], size: number) => batches(data, indices, size).next()
    for (const index of [-1, 10, 0.5, Number.NaN]) {
      await expect(first([0, index], 2)).rejects.toMatchObject({ code: 'ERR_INDICES' })
    }
    for (const size of [0, 1.5]) {
      await expect(first([0], size)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    }
    expect((await first([9], 2)).value!.images.shape).toEqual([1, 6])
  })
})

it('a limit is spread over a dataset', () => {
  expect(evenIndices(4)).toEqual([0, 1, 2, 3])
  expect(evenIndices(4, 9)).toEqual([0, 1, 2, 3])
  expect(evenIndices(10, 4)).toEqual([0, 2, 5, 7])
  expect(evenIndices(10, 1)).toEqual([0])
  expect(() => evenIndices(10, 0)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
})

it('of many names some are shown, cut if they are long', () => {
  expect(firstNames(['a', 'b', 'c', 'd'])).toBe('a, b, c, d')
  expect(firstNames(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c, d, …')
  expect(firstNames(['a', 'b', 'c'], 2)).toBe('a, b, …')
  expect(firstNames(['x'.repeat(200)]).length).toBeLessThan(80)
})
