import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { batches, type Preprocess } from '../../src/data/index.js'
import { imageFolder } from '../../src/index.js'

import { temporaryFolder } from '../support/paths.js'

const recipe: Preprocess = {
  channels: 3,
  resize: 8,
  interpolation: 'bilinear',
  crop: 8,
  mean: [0, 0, 0],
  std: [1, 1, 1],
}

const png = (colour: string, width = 8, height = 8) =>
  sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer()

async function folderWith(files: Record<string, string | Buffer>): Promise<string> {
  const root = join(temporaryFolder(), 'root')
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

describe('imageFolder', () => {
  it('takes the folders in their order as classes', async () => {
    const root = await folderWith({
      'b/2.png': await png('lime'),
      'a/1.png': await png('red'),
      'a/deep/0.PNG': await png('blue'),
    })
    const dataset = await imageFolder(root, recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([
      ['a', 'b'],
      [0, 0, 1],
    ])
    const { images: batch } = await dataset.load([0, 2])
    expect(batch.shape).toEqual([2, 3, 8, 8])
    expect(batch.select(2, 0).select(2, 0).toArray()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ])
  })

  it('takes the order of classes.txt in the root or its parent', async () => {
    const files = { 'val/a/1.png': await png('red'), 'val/b/1.png': await png('red') }
    const parent = await folderWith({ ...files, 'classes.txt': 'b\nmissing\na\n' })
    const dataset = await imageFolder(join(parent, 'val'), recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([
      ['b', 'missing', 'a'],
      [2, 0],
    ])
    const own = await folderWith({ ...files, 'classes.txt': 'a\nb\n', 'val/classes.txt': 'b\na\n' })
    expect((await imageFolder(join(own, 'val'), recipe)).classes).toEqual(['b', 'a'])
  })

  it('refuses folders that classes.txt does not name, twice-named classes, and folders without images', async () => {
    const image = await png('red')
    const cases: [Record<string, string | Buffer>, string][] = [
      [{ 'a/1.png': image, 'classes.txt': 'b\n' }, 'a is not among the 1 classes'],
      [{ 'a/1.png': image, 'classes.txt': 'a\na\n' }, 'could be class 0 or 1'],
      [{ 'a/1.txt': 'text' }, 'expected images'],
      [{ 'file.png': image }, 'one folder for each class'],
    ]
    for (const [files, message] of cases) {
      await expect(imageFolder(await folderWith(files), recipe)).rejects.toThrow(message)
    }
    await expect(imageFolder('/nonexistent', recipe)).rejects.toMatchObject({ code: 'ERR_DATASET' })
  })

  it('names a corrupt image', async () => {
    const jpeg = await sharp(await png('red', 200, 200))
      .jpeg()
      .toBuffer()
    const root = await folderWith({
      'a/good.jpg': jpeg,
      'a/short.jpg': jpeg.subarray(0, jpeg.length / 2),
      'b/text.png': 'no image',
    })
    const dataset = await imageFolder(root, recipe)
    await expect(dataset.load([0])).resolves.toBeDefined()
    await expect(dataset.load([1])).rejects.toThrow(/a\/short\.jpg: the image cannot be decoded/)
    await expect(dataset.load([0, 2])).rejects.toMatchObject({
      code: 'ERR_IMAGE',
      message: expect.stringContaining('text.png'),
    })
  })

  it('skips corrupt images on request, and says which', async () => {
    const good = await png('red')
    const root = await folderWith({
      'a/1.png': good.subarray(0, good.length - 30),
      'a/2.png': good,
      'b/3.png': good,
      'b/4.jpg': 'no image',
    })
    const dataset = await imageFolder(root, recipe, { skipCorrupt: true })
    const { images, indices, skipped } = await dataset.load([3, 2, 0, 1])
    expect([images.shape, indices]).toEqual([
      [2, 3, 8, 8],
      [2, 1],
    ])
    expect(skipped.map(({ index }) => index)).toEqual([3, 0])
    expect(skipped[0]).toMatchObject({
      path: join(root, 'b/4.jpg'),
      reason: expect.stringContaining('4.jpg'),
    })

    const seen = []
    for await (const batch of batches(dataset, [0, 3, 2, 1], 2)) {
      seen.push([batch.indices, [...(batch.labels.toTypedArray() as BigInt64Array)], batch.skipped.length])
    }
    expect(seen).toEqual([
      [[], [], 2],
      [[2, 1], [1n, 0n], 0],
    ])
    rmSync(join(root, 'b/3.png'))
    await expect(dataset.load([2])).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })

  it('asks for a crop if images differ in size', async () => {
    const root = await folderWith({ 'a/1.png': await png('red', 8, 16), 'a/2.png': await png('red', 8, 8) })
    const dataset = await imageFolder(root, { ...recipe, crop: null })
    await expect(dataset.load([0, 1])).rejects.toThrow('needs a crop')
  })
})
