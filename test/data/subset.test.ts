import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { idxFolder, preprocessOf, ScriptModule, subset } from '../../src/index.js'

import { demoModel, fashionMnist } from '../support/paths.js'

const fashion = async () => idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(demoModel)))

describe('a subset', () => {
  it('is the samples asked for, in their order, some of them twice', async () => {
    const whole = await fashion()
    const part = subset(whole, [7, 3, 3, 9])
    expect([part.size, [...part.labels]]).toEqual([4, [7, 3, 3, 9].map((i) => whole.labels[i])])
    const { images, indices } = await part.load([3, 1, 2])
    const expected = (await whole.load([9, 3, 3])).images
    expect(images.equal(expected)).toBe(true)
    expect(indices).toEqual([3, 1, 2])
    const bytes = (await part.pixels!.load([0])).images
    expect(bytes.equal((await whole.pixels!.load([7])).images)).toBe(true)
  })

  it('reports skipped samples by its own numbers', async () => {
    const whole = await fashion()
    const holed: Dataset = {
      ...whole,
      async load(indices) {
        const rest = indices.filter((index) => index !== 5)
        return { ...(await whole.load(rest)), skipped: [{ index: 5, path: 'x', reason: 'corrupt' }] }
      },
    }
    const { indices, skipped } = await subset(holed, [1, 5, 2]).load([0, 1, 2])
    expect(indices).toEqual([0, 2])
    expect(skipped).toEqual([{ index: 1, path: 'x', reason: 'corrupt' }])
  })

  it('refuses a dataset that neither loads nor skips a sample', async () => {
    const whole = await fashion()
    const lost: Dataset = { ...whole, load: async (indices) => whole.load(indices.slice(1)) }
    await expect(subset(lost, [4, 5]).load([0, 1])).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('each of the 2 samples that it was asked for'),
    })
  })

  it('refuses samples that there are not', async () => {
    const whole = await fashion()
    for (const indices of [[], [-1], [0.5], [whole.size]]) {
      expect(() => subset(whole, indices)).toThrow(expect.objectContaining({ code: 'ERR_INDICES' }))
    }
  })
})
