import { describe, expect, it } from 'vitest'
import type { Augmentation, Dataset, Preprocess } from '../../src/data/index.js'
import {
  idxFolder,
  imageFolder,
  mixup,
  preprocessOf,
  randomCrop,
  randomFlip,
  ScriptModule,
  type Tensor,
  torch,
} from '../../src/index.js'

import { seedAt } from '../../src/train/seeds.js'
import { TrainingData, type TrainingDataOptions } from '../../src/train/training-data.js'
import { demoModel, fashionMnist, temporaryFolder } from '../support/paths.js'

const fashion = async (size: number): Promise<Dataset> => {
  const whole = await idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(demoModel)))
  return { ...whole, size, labels: whole.labels.subarray(0, size) }
}

/** All batches of an epoch, copied. */
async function epochOf(data: TrainingData, epoch: number, first = 0) {
  const batches: { images: Tensor; targets: Tensor; whole: number; number: number }[] = []
  for await (const { images, targets, whole, number } of data.epoch(epoch, first)) {
    batches.push({ images: images.clone(), targets: targets.clone(), whole, number })
  }
  return batches
}

const same = (a: Tensor, b: Tensor) => a.shape.join() === b.shape.join() && a.equal(b)

describe('training data', () => {
  it('gives the images that the dataset gives, each once, scaled the same', async () => {
    const dataset = await fashion(50)
    const data = await TrainingData.open(dataset, { batchSize: 16, seed: 3 })
    expect(data.batchesPerEpoch).toBe(4)
    const batches = await epochOf(data, 0)
    expect(batches.map(({ images, whole }) => [images.shape[0], whole])).toEqual([
      [16, 16],
      [16, 16],
      [16, 16],
      [2, 2],
    ])
    const { images: expected } = await dataset.load([...Array(50).keys()])
    const order = torch.randperm(50, { generator: new torch.Generator(seedAt(3, 'order', 0)) })
    const images = torch.cat(batches.map((batch) => batch.images))
    expect(images.sub(expected.index_select(0, order)).abs().max().item()).toBeLessThan(1e-6)
    const labels = torch.tensor(dataset.labels, { dtype: 'int64' }).index_select(0, order)
    expect(same(torch.cat(batches.map(({ targets }) => targets)), labels)).toBe(true)
  })

  it('draws by epoch and batch alone: any epoch from any batch on, resident or loaded', async () => {
    const dataset = await fashion(40)
    const options: TrainingDataOptions = {
      batchSize: 8,
      seed: 1,
      augment: [randomCrop(2), randomFlip()],
      mixup: mixup(0.5),
    }
    const resident = await TrainingData.open(dataset, options)
    const loaded = await TrainingData.open(dataset, { ...options, residentBytes: 0 })
    const whole = await epochOf(resident, 2)
    for (const data of [resident, loaded]) {
      const rest = await epochOf(data, 2, 3)
      expect(rest.map(({ number }) => number)).toEqual([3, 4])
      for (const [i, batch] of rest.entries()) {
        expect(same(batch.images, whole[3 + i]!.images)).toBe(true)
        expect(same(batch.targets, whole[3 + i]!.targets)).toBe(true)
      }
    }
    expect(same((await epochOf(resident, 3))[0]!.images, whole[0]!.images)).toBe(false)
    const other = await TrainingData.open(dataset, { ...options, seed: 2 })
    expect(same((await epochOf(other, 2))[0]!.images, whole[0]!.images)).toBe(false)
  })

  it('gives several processes the parts of the same batches', async () => {
    const dataset = await fashion(50)
    const options = { batchSize: 16, augment: [randomCrop(2), randomFlip()] }
    const whole = await epochOf(await TrainingData.open(dataset, options), 1)
    const parts = []
    for (const rank of [0, 1, 2]) {
      parts.push(await epochOf(await TrainingData.open(dataset, { ...options, shard: { rank, size: 3 } }), 1))
    }
    // The last two images are none of three processes': each must have one, or its step would hang.
    expect(parts.map((part) => part.length)).toEqual([3, 3, 3])
    for (const [i, batch] of whole.slice(0, 3).entries()) {
      const together = parts.map((part) => part[i]!)
      expect(together.map(({ images }) => images.shape[0])).toEqual([5, 5, 6])
      expect(same(torch.cat(together.map(({ images }) => images)), batch.images)).toBe(true)
      expect(same(torch.cat(together.map(({ targets }) => targets)), batch.targets)).toBe(true)
    }
  })

  it('gives the same values in channels_last, if the images of a step may have any size', async () => {
    const bytes = torch.randint(0, 256, [20, 3, 8, 6], { dtype: 'uint8', generator: new torch.Generator(1) })
    const [mean, std] = [
      [0.1, 0.5, 0.7],
      [0.2, 0.3, 0.4],
    ]
    const load = async (indices: readonly number[]) => ({
      images: bytes.index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
      indices,
      skipped: [],
    })
    const labels = new Int32Array(20)
    const dataset: Dataset = {
      name: 'bytes',
      size: 20,
      classes: ['a'],
      labels,
      load,
      pixels: { mean, std, load },
    }
    let step = 0
    const shrink: Augmentation = {
      description: { name: 'shrink' },
      apply: (images) => images.narrow(3, 0, step++ % 2 === 0 ? 6 : 4),
    }
    const options = { batchSize: 5, augment: [randomCrop(1), randomFlip(), shrink] }
    const plain = await epochOf(await TrainingData.open(dataset, options), 0)
    const last = await epochOf(await TrainingData.open(dataset, { ...options, channelsLast: true }), 0)
    expect(last.map(({ images }) => images.shape[3])).toEqual([6, 4, 6, 4])
    for (const [i, { images }] of last.entries()) {
      expect(images.stride()[1]).toBe(1)
      expect(same(images, plain[i]!.images)).toBe(true)
    }
    const perChannel = (values: number[]) => torch.tensor(values, { dtype: 'float64' }).view([1, -1, 1, 1])
    const back = torch
      .cat(last.filter((_, i) => i % 2 === 1).map(({ images }) => images))
      .to('float64')
      .mul(perChannel(std))
      .add(perChannel(mean))
      .mul(255)
    expect(back.sub(back.round()).abs().max().item()).toBeLessThan(1e-4)
  })

  it('takes an option that is undefined for one that is not given', async () => {
    const dataset = await fashion(10)
    const undefinedOptions = { augment: undefined, residentBytes: undefined, shard: undefined } as object
    const given = await epochOf(await TrainingData.open(dataset, { batchSize: 5, ...undefinedOptions }), 0)
    const bare = await epochOf(await TrainingData.open(dataset, { batchSize: 5 }), 0)
    expect(given).toHaveLength(2)
    for (const [i, { images }] of given.entries()) expect(same(images, bare[i]!.images)).toBe(true)
  })

  it('leaves the last images out if asked, and refuses what it cannot do', async () => {
    const dataset = await fashion(20)
    const data = await TrainingData.open(dataset, { batchSize: 16, dropLast: true })
    expect((await epochOf(data, 0)).map(({ images }) => images.shape[0])).toEqual([16])
    const bare: Dataset = {
      name: 'bare',
      size: 20,
      classes: ['a'],
      labels: dataset.labels,
      load: dataset.load,
    }
    await expect(TrainingData.open(bare, { batchSize: 4, augment: [randomFlip()] })).rejects.toMatchObject({
      code: 'ERR_DATASET',
    })
    await expect(TrainingData.open(dataset, { batchSize: 0 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })

  it('reads folders of images as bytes, which scale to what the dataset gives', async () => {
    const { default: sharp } = await import('sharp')
    const folder = temporaryFolder()
    const { mkdirSync } = await import('node:fs')
    mkdirSync(`${folder}/a`)
    const noise = {
      create: {
        width: 50,
        height: 40,
        channels: 3,
        background: 'red',
        noise: { type: 'gaussian', mean: 120, sigma: 60 },
      },
    } as const
    for (const i of [0, 1, 2]) await sharp(noise).jpeg().toFile(`${folder}/a/${i}.jpg`)
    const recipe: Preprocess = {
      channels: 3,
      resize: 32,
      interpolation: 'bilinear',
      crop: 24,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    }
    const dataset = await imageFolder(folder, recipe)
    const data = await TrainingData.open(dataset, { batchSize: 3, residentBytes: 0 })
    const [batch] = await epochOf(data, 0)
    const order = torch.randperm(3, { generator: new torch.Generator(seedAt(0, 'order', 0)) })
    const { images } = await dataset.load(Array.from(order.toTypedArray() as BigInt64Array, Number))
    expect(batch!.images.sub(images).abs().max().item()).toBeLessThan(1e-5)
    const bytes = (await dataset.pixels!.load([0])).images
    expect([bytes.dtype, bytes.shape]).toEqual(['uint8', [1, 3, 24, 24]])
  })
})

describe('augmentation', () => {
  it('may be anyone’s', async () => {
    const dark: Augmentation = { description: { name: 'dark' }, apply: (bytes) => bytes.mul(0) }
    const data = await TrainingData.open(await fashion(4), { batchSize: 4, augment: [dark] })
    const [batch] = await epochOf(data, 0)
    expect(new Set(batch!.images.flatten().toArray() as number[]).size).toBe(1)
  })

  it('mixes images and classes by the same share', () => {
    const x = torch.rand([6, 1, 2, 2], { generator: new torch.Generator(3) })
    const labels = torch.tensor([0, 1, 2, 0, 1, 2], { dtype: 'int64' })
    const { images, targets } = mixup(1).apply(x, labels, 3, new torch.Generator(9))
    // The same draws, by hand.
    const generator = new torch.Generator(9)
    const lambda = torch
      ._sample_dirichlet(torch.ones([2], { dtype: 'float64' }), generator)
      .select(0, 0)
      .item()
    const order = torch.randperm(6, { generator }).toArray() as number[]
    const classOf = (i: number) => (labels.toArray() as number[])[i]!
    expect(lambda).toBeGreaterThan(0)
    expect(lambda).toBeLessThan(1)
    for (let i = 0; i < 6; i++) {
      const mixed = x
        .select(0, i)
        .mul(lambda)
        .add(x.select(0, order[i]!).mul(1 - lambda))
      expect(images.select(0, i).sub(mixed).abs().max().item()).toBeLessThan(1e-6)
      const shares = [0, 0, 0]
      shares[classOf(i)]! += lambda
      shares[classOf(order[i]!)]! += 1 - lambda
      expect(targets.select(0, i).sub(torch.tensor(shares)).abs().max().item()).toBeLessThan(1e-6)
    }
  })
})
