import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Preprocess } from '../../src/data/index.js'
import { cifar10, cifar100, openDataset } from '../../src/index.js'

import { dataRoot, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { largestDifference } from '../support/tensors.js'

const recipe: Preprocess = {
  channels: 3,
  resize: null,
  interpolation: 'bilinear',
  crop: null,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
}
const refused = (message: string) =>
  expect.objectContaining({ code: 'ERR_DATASET', message: expect.stringContaining(message) })

/** `count` records of `heads` label bytes: record i has the label(s) i mod 10 and pixels that differ from byte to byte. */
function records(count: number, heads: number): Buffer {
  const pattern = Uint8Array.from({ length: 3072 + 251 }, (_, place) => (place * 13) % 251)
  const all = Buffer.alloc(count * (heads + 3072))
  for (let record = 0; record < count; record++) {
    const start = record * (heads + 3072)
    all.fill(record % 10, start, start + heads)
    all.set(pattern.subarray(record % 251, (record % 251) + 3072), start + heads)
  }
  return all
}

function folderWith(files: Record<string, Uint8Array | string>): string {
  const folder = temporaryFolder()
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

describe('cifar10', () => {
  const batch = records(10_000, 1)
  const train = Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, batch]))

  it('reads the five training files in order, and the test file', async () => {
    const last = records(10_000, 1)
    last[0] = 9
    const folder = folderWith({ ...train, 'data_batch_5.bin': last, 'test_batch.bin': batch })
    const dataset = await cifar10(folder, 'train', recipe)
    expect([dataset.name, dataset.size]).toEqual([`cifar10:${folder}:train`, 50_000])
    expect([dataset.labels[39_999], dataset.labels[40_000], dataset.labels[40_001]]).toEqual([9, 9, 1])
    expect(dataset.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    expect((await cifar10(folder, 'test', recipe)).size).toBe(10_000)
  })

  it("gives Python's pixels and labels, and takes one file by its path", async () => {
    const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ')
    const folder = folderWith({ 'some.bin': records(12, 1), 'batches.meta.txt': `${names.join('\n')}\n\n` })
    const file = join(folder, 'some.bin')
    const dataset = await openDataset(`cifar10:${file}`, recipe)
    const python = await reference('cifar', { file, labels: 1, indices: [11, 3], ...recipe })
    expect([dataset.size, [...dataset.labels]]).toEqual([12, python.labels[0]])
    expect(dataset.classes).toEqual(names)
    const { images } = await dataset.load([11, 3])
    expect(images.shape).toEqual([2, 3, 32, 32])
    expect(largestDifference(images.toTypedArray() as Float32Array, python.values)).toBeLessThan(1e-6)
  })

  it('refuses missing, short and foreign files, and greyscale models', async () => {
    const folder = folderWith({ 'test_batch.bin': batch.subarray(0, -1), 'data_batch_1.bin': batch })
    await expect(cifar10(folder, 'train', recipe)).rejects.toEqual(refused('sos data fetch cifar10'))
    await expect(cifar10(folder, 'test', recipe)).rejects.toEqual(refused('expected 10000 records'))
    const foreign = folderWith({ 'x.bin': records(3073, 2), 'empty.bin': '' })
    await expect(cifar10(join(foreign, 'x.bin'), null, recipe)).rejects.toEqual(refused('another format'))
    await expect(cifar10(join(foreign, 'empty.bin'), null, recipe)).rejects.toEqual(refused('0 bytes'))
    const grey = { ...recipe, channels: 1 as const, mean: [0.5], std: [0.5] }
    await expect(cifar10(folder, 'test', grey)).rejects.toEqual(refused('RGB'))
  })

  it('verifies the MD5 of official files if it is asked to', async () => {
    const folder = folderWith({ 'test_batch.bin': batch, 'some.bin': batch })
    await expect(cifar10(folder, 'test', recipe, { verify: true })).rejects.toEqual(
      refused('803d5f7f4d78ea53de84dbe85f74fb6d'),
    )
    await expect(cifar10(join(folder, 'some.bin'), null, recipe, { verify: true })).rejects.toEqual(
      refused('no MD5 is known'),
    )
  })

  it('takes no harm from any bytes', async () => {
    const folder = temporaryFolder()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        writeFileSync(join(folder, 'x.bin'), bytes)
        await expect(cifar10(join(folder, 'x.bin'), null, recipe)).rejects.toEqual(refused('x.bin'))
      }),
      { numRuns: 100 },
    )
  })
})

describe('cifar100 of a few records', () => {
  const names = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i}`)
  const bytes = records(40, 2)
  for (let i = 0; i < 40; i++) {
    bytes[i * 3074] = (7 * i) % 20 // coarse
    bytes[i * 3074 + 1] = (33 * i + 5) % 100 // fine
  }
  const folder = folderWith({
    'part.bin': bytes,
    'fine_label_names.txt': `${names('fine', 100).join('\n')}\n\n`,
    'coarse_label_names.txt': `${names('coarse', 20).join('\n')}\n\n`,
  })
  const file = join(folder, 'part.bin')

  it.each([
    ['fine', 100, 1],
    ['coarse', 20, 0],
  ] as const)('gives the %s labels and the pixels as Python reads them', async (labels, classes, head) => {
    const dataset = await cifar100(file, null, recipe, { labels })
    const python = await reference('cifar', { file, labels: 2, indices: [39, 0, 7], ...recipe })
    expect([dataset.size, [...dataset.labels]]).toEqual([40, python.labels[head]])
    expect(python.labels[0]).not.toEqual(python.labels[1])
    expect(dataset.classes).toEqual(names(labels, classes))
    expect(dataset.name).toBe(`cifar100:${file}${labels === 'coarse' ? ':coarse' : ''}`)
    const { images } = await dataset.load([39, 0, 7])
    expect(largestDifference(images.toTypedArray() as Float32Array, python.values)).toBeLessThan(1e-6)
  })

  it('takes the fine labels if none are named, and numbers classes without names', async () => {
    const alone = folderWith({ 'part.bin': bytes })
    const dataset = await openDataset(`cifar100:${join(alone, 'part.bin')}`, recipe)
    expect([dataset.labels[1], dataset.classes.length, dataset.classes[99]]).toEqual([38, 100, '99'])
  })

  it('refuses a label that is one beyond the last class, and takes the last', async () => {
    const withLabels = (coarse: number, fine: number) => {
      const changed = Buffer.from(bytes)
      changed[3 * 3074] = coarse
      changed[3 * 3074 + 1] = fine
      return join(folderWith({ 'x.bin': changed }), 'x.bin')
    }
    for (const [labels, last] of [
      ['coarse', 19],
      ['fine', 99],
    ] as const) {
      const at = (label: number) => (labels === 'coarse' ? withLabels(label, 0) : withLabels(0, label))
      expect((await cifar100(at(last), null, recipe, { labels })).labels[3]).toBe(last)
      await expect(cifar100(at(last + 1), null, recipe, { labels })).rejects.toEqual(refused('record 3'))
    }
    const ten = records(4, 1)
    ten[2 * 3073] = 9
    const ofTen = (content: Buffer) => cifar10(join(folderWith({ 'x.bin': content }), 'x.bin'), null, recipe)
    expect((await ofTen(ten)).labels[2]).toBe(9)
    ten[2 * 3073] = 10
    await expect(ofTen(ten)).rejects.toEqual(refused('record 2 has 10'))
  })
})

describe.skipIf(dataRoot === undefined)('cifar100', () => {
  const folder = `${dataRoot}/cifar-100-binary`

  it.each([
    ['fine', 100, 1],
    ['coarse', 20, 0],
  ] as const)(
    "gives the official test set's %s labels and pixels as Python reads them",
    async (labels, classes, head) => {
      const dataset = await cifar100(folder, 'test', recipe, { labels, verify: true })
      const indices = [0, 1, 777, 9999]
      const python = await reference('cifar', { file: `${folder}/test.bin`, labels: 2, indices, ...recipe })
      expect([dataset.size, dataset.classes.length]).toEqual([10_000, classes])
      expect([...dataset.labels]).toEqual(python.labels[head])
      const { images } = await dataset.load(indices)
      expect(largestDifference(images.toTypedArray() as Float32Array, python.values)).toBeLessThan(1e-6)
    },
  )

  it('names the classes, in the order of the labels', async () => {
    const fine = await openDataset(`cifar100:${folder}:test`, recipe)
    expect([fine.classes[0], fine.classes[99]]).toEqual(['apple', 'worm'])
    const coarse = await openDataset(`cifar100:${folder}:test:coarse`, recipe)
    expect(coarse.classes[0]).toBe('aquatic_mammals')
    expect(coarse.name).toBe(`cifar100:${folder}:test:coarse`)
  })

  it('takes a part of the training set by its own path alone', async () => {
    const part = await openDataset(`cifar100:${folder}/train-first-10000.bin`, recipe)
    expect([part.size, part.classes[0]]).toEqual([10_000, 'apple'])
    await expect(cifar100(folder, 'train', recipe)).rejects.toEqual(refused('train.bin'))
  })
})
