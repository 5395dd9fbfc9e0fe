import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset, Progress } from '../../src/data/index.js'
import { ScriptModule, type Tensor } from '../../src/index.js'

import { type PassOptions, pass } from '../../src/model/pass.js'
import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const all = [...Array(10).keys()]

/** Ten samples, of which some are corrupt. */
function without(...corrupt: number[]): Dataset {
  const whole = vectors(10)
  return {
    ...whole,
    load: async (indices) => ({
      ...(await whole.load(indices.filter((index) => !corrupt.includes(index)))),
      skipped: indices
        .filter((index) => corrupt.includes(index))
        .map((index) => ({ index, path: `${index}.png`, reason: 'truncated' })),
    }),
  }
}

let model: ScriptModule
beforeAll(async () => {
  model = await ScriptModule.load(fixture('mlp.scripted.pt'))
})

async function run(data: Dataset, options: Partial<PassOptions> = {}, indices = all) {
  const progress: Progress[] = []
  const seen: (readonly number[])[] = []
  const onProgress = (one: Progress) => void progress.push(one)
  for await (const batch of pass(model, data, indices, { chunk: 3, onProgress, ...options })) {
    expect(batch.images.shape[0]).toBe(batch.indices.length)
    expect(batch.images.dtype).toBe('float64') // the model's; the fixture is in double precision
    seen.push(batch.indices)
  }
  return { seen, progress }
}

describe('a pass over a dataset', () => {
  it('brings every sample once, on the device and in the dtype of the model', async () => {
    const half = {
      ...vectors(10),
      load: async (indices: readonly number[]) => {
        const loaded = await vectors(10).load(indices)
        return { ...loaded, images: loaded.images.to('float32') }
      },
    }
    const { seen, progress } = await run(half)
    expect(seen).toEqual([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]])
    expect(progress).toEqual([3, 6, 9, 10].map((done) => ({ done, total: 10 })))
  })

  it('leaves corrupt images out, and counts them', async () => {
    const corrupt: number[] = []
    const onAllCorrupt = (some: readonly { index: number }[]) =>
      void corrupt.push(...some.map(({ index }) => index))
    const { seen, progress } = await run(without(1, 3, 4, 5), { onAllCorrupt })
    expect(seen).toEqual([[0, 2], [6, 7, 8], [9]])
    expect(corrupt).toEqual([3, 4, 5])
    expect(progress.map(({ done }) => done)).toEqual([3, 6, 9, 10])
  })

  it('counts each of several rounds, told or not, and what an earlier run did', async () => {
    const told: number[] = []
    const onProgress = ({ done }: Progress) => void told.push(done)
    const before = { loaded: 4, skipped: 1 }
    for await (const batch of pass(model, without(1), all, { chunk: 5, rounds: 3, before, onProgress })) {
      batch.roundDone() // the others are taken for done when the next batch is asked for
    }
    expect(told).toEqual([22, 30, 35, 45])
  })

  it('refuses a dataset of which no image can be read, and says why', async () => {
    await expect(run(without(...all))).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/all 10 are corrupt, as truncated/),
    })
    expect((await run(without(...all), { before: { loaded: 1, skipped: 0 } })).seen).toEqual([])
    expect((await run(without(), {}, [])).seen).toEqual([])
  })

  it('ends before the next batch if the signal says so, and frees what it loaded', async () => {
    const controller = new AbortController()
    const kept: Tensor[] = []
    const passing = async () => {
      for await (const { images } of pass(model, vectors(10), all, { chunk: 3, signal: controller.signal })) {
        kept.push(images)
        controller.abort(new Error('enough'))
      }
    }
    await expect(passing()).rejects.toThrow('enough')
    expect(kept.map(({ disposed }) => disposed)).toEqual([true])
  })
})
