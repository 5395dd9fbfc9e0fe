import { describe, expect, it } from 'vitest'
import { firstNames } from '../../src/data/class-outputs.js'
import { type Batch, batches, evenIndices } from '../../src/data/dataset.js'
import type { Tensor } from '../../src/index.js'
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
