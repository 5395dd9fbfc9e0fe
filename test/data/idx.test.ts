import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Preprocess } from '../../src/data/index.js'
import { idxFolder } from '../../src/index.js'

import { fashionMnist, temporaryFolder } from '../support/paths.js'

const recipe: Preprocess = {
  channels: 1,
  resize: null,
  interpolation: 'bilinear',
  crop: null,
  mean: [0.5],
  std: [0.25],
}

function header(magic: number, ...extents: number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * extents.length)
  bytes.writeUInt32BE(magic)
  extents.forEach((extent, i) => void bytes.writeUInt32BE(extent, 4 + 4 * i))
  return bytes
}

const images = Buffer.concat([header(0x803, 2, 2, 3), Buffer.from([...Array(12).keys()])])
const labels = Buffer.concat([header(0x801, 2), Buffer.from([1, 0])])

function folderWith(files: Record<string, Uint8Array>): string {
  const folder = temporaryFolder()
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes)
  return folder
}

const open = (files: Record<string, Uint8Array>) => idxFolder(folderWith(files), 'train', recipe)

describe('idx', () => {
  it('reads images, plain or gzipped, and normalises them', async () => {
    const dataset = await open({
      'train-images-idx3-ubyte.gz': gzipSync(images),
      'train-labels-idx1-ubyte': labels,
    })
    expect([dataset.size, dataset.classes, [...dataset.labels]]).toEqual([2, ['0', '1'], [1, 0]])
    const { images: batch } = await dataset.load([1])
    expect(batch.shape).toEqual([1, 1, 2, 3])
    const expected = [6, 7, 8, 9, 10, 11].map((pixel) => Math.fround((pixel / 255 - 0.5) / 0.25))
    expect(batch.toTypedArray()).toEqual(Float32Array.from(expected))
  })

  it('reads the embedded slice of Fashion-MNIST', async () => {
    const [train, test] = [
      await idxFolder(fashionMnist, 'train', recipe),
      await idxFolder(fashionMnist, 'test', recipe),
    ]
    expect([train.name, test.name]).toEqual([`idx:${fashionMnist}:train`, `idx:${fashionMnist}:test`])
    expect([train.size, test.size]).toEqual([10_000, 2000])
    expect(train.classes[9]).toBe('Ankle boot')
  })

  it.each<[string, Record<string, Uint8Array>]>([
    ['no such file', {}],
    ['truncated', { 'train-images-idx3-ubyte': images.subarray(0, 7), 'train-labels-idx1-ubyte': labels }],
    ['magic number', { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': images }],
    [
      'bytes of data',
      { 'train-images-idx3-ubyte': images.subarray(0, 20), 'train-labels-idx1-ubyte': labels },
    ],
    [
      'gzip is damaged',
      { 'train-images-idx3-ubyte.gz': gzipSync(images).subarray(0, 20), 'train-labels-idx1-ubyte': labels },
    ],
    [
      '1 labels',
      {
        'train-images-idx3-ubyte': images,
        'train-labels-idx1-ubyte': Buffer.concat([header(0x801, 1), Buffer.from([1])]),
      },
    ],
    [
      'since classes.txt has 1 names',
      {
        'train-images-idx3-ubyte': images,
        'train-labels-idx1-ubyte': labels,
        'classes.txt': Buffer.from('only\n'),
      },
    ],
  ])('refuses files with: %s', async (message, files) => {
    await expect(open(files)).rejects.toThrow(message)
    await expect(open(files)).rejects.toMatchObject({ code: 'ERR_DATASET' })
  })

  it('takes no harm from any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        const files = { 'train-images-idx3-ubyte': bytes, 'train-labels-idx1-ubyte': bytes }
        await expect(open(files)).rejects.toMatchObject({ code: 'ERR_DATASET' })
      }),
      { numRuns: 200 },
    )
  })
})
