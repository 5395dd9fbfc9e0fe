import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'

import { rowStore } from '../../../src/shift/study/row-store.js'
import { temporaryFolder } from '../../support/paths.js'
import { randn } from '../../support/random.js'

describe('rowStore', () => {
  it.each([
    ['in memory', 1e9],
    ['in a file', 0],
  ])('gives the rows that came, fewer than announced: %s', async (_, mapAbove) => {
    const cacheFolder = temporaryFolder()
    for (const dtype of ['float32', 'float64', 'bfloat16'] as const) {
      const parts = [3, 1, 4].map((rows, i) => randn([rows, 5], i).to(dtype))
      const store = await rowStore(20, 5, dtype, { mapAbove, cacheFolder })
      for (const part of parts) await store.add(part)
      const all = await store.finish()
      expect([all.shape, all.dtype]).toEqual([[8, 5], dtype])
      expect(all.equal(torch.cat(parts))).toBe(true)
      expect(readdirSync(cacheFolder)).toEqual([])
    }
  })

  it('leaves no file behind when it is discarded', async () => {
    const cacheFolder = temporaryFolder()
    const store = await rowStore(20, 5, 'float32', { mapAbove: 0, cacheFolder })
    await store.add(randn([2, 5], 1))
    expect(readdirSync(cacheFolder)).toHaveLength(1)
    await store.discard()
    expect(readdirSync(cacheFolder)).toEqual([])
    const swept = await rowStore(20, 5, 'float32', { mapAbove: 0, cacheFolder })
    rmSync(join(cacheFolder, readdirSync(cacheFolder)[0]!), { recursive: true }) // as a sweep of temporary files does
    await swept.discard()
  })

  it('says where it cannot write', async () => {
    const cacheFolder = join(temporaryFolder(), 'missing')
    const store = rowStore(20, 5, 'float32', { mapAbove: 0, cacheFolder })
    await expect(store).rejects.toEqual(expect.objectContaining({ code: 'ERR_OUTPUT' }))
  })

  it('takes no rows too', async () => {
    const store = await rowStore(20, 5, 'float32', { mapAbove: 0 })
    expect((await store.finish()).shape).toEqual([0, 5])
  })
})
