import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { cifar10, evaluate, ScriptModule, saveShifted, shiftOptimum } from '../../src/index.js'
import { writeSafetensors } from '../../src/torch/index.js'

import { cifar10Folder } from '../support/cifar10.js'
import { dataRoot, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { differences } from '../support/tensors.js'

/** Evaluated as in the repository of the checkpoints, whose README reports the errors 8.27 % and 6.61 %. */
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
const recipe = { channels: 3, resize: null, interpolation: 'bilinear', crop: null, ...imagenet } as const
const published = { resnet20: { all: 91.73, first: 91.65 }, resnet56: { all: 93.39, first: 92.95 } }
/** Of the images, in their order, that the second is for, and that Python runs too. */
const count = 2000

describe.skipIf(dataRoot === undefined)('real ResNets on the whole test set of CIFAR-10', () => {
  const work = temporaryFolder()
  const first = join(work, 'first.bin')
  let folder: string | null
  beforeAll(async () => {
    folder = await cifar10Folder()
    if (folder === null) return
    writeFileSync(first, readFileSync(`${folder}/test_batch.bin`).subarray(0, count * 3073))
  }, 600_000)

  it.for(Object.entries(published))(
    '%s has its published accuracy, and is shifted as in Python',
    { timeout: 300_000 },
    async ([name, accuracy], { skip }) => {
      if (folder === null) return skip()
      const path = `${dataRoot}/checkpoints/${name}.ts.pt`
      const train = await cifar10(folder, 'train', recipe)
      const test = await cifar10(folder, 'test', recipe)
      const model = await ScriptModule.load(path)
      const before = await evaluate(model, test, { chunk: 250 })
      expect(before.top1).toBeCloseTo(accuracy.all, 10)
      const right = before.correct.subarray(0, count).reduce((sum, correct) => sum + correct, 0)
      expect((100 * right) / count).toBeCloseTo(accuracy.first, 10)

      const record = await shiftOptimum(model, train, { batchSize: 32, rank: { policy: 'tolerance' } })
      expect(record).toMatchObject({ layer: 'linear', inFeatures: 64, rank: 32, classesCovered: 10 })
      const shifted = join(work, `${name}.sos.pt`)
      await saveShifted(model, shifted, record, { dataset: train.name, preprocess: recipe })
      const after = await evaluate(await ScriptModule.load(shifted), await cifar10(first, null, recipe))
      const python = await reference('cifar_predictions', {
        models: [path, shifted],
        file: first,
        ...imagenet,
      })
      expect(differences(before.predictions.subarray(0, count), python[0])).toBeLessThanOrEqual(1)
      expect(differences(after.predictions, python[1])).toBeLessThanOrEqual(1)

      const { images } = await train.load(record.indices)
      const inputs = join(work, `${name}.safetensors`)
      await writeSafetensors(inputs, new Map([['images', images]]))
      const projected = await reference('projection', {
        model: path,
        shifted,
        layer: record.layer,
        images: inputs,
        channelsLast: images.stride(1) === 1,
        batch: 32,
        rank: 32,
      })
      expect(projected.difference).toBeLessThan(1e-5)
      expect(record.normAfter / projected.normAfter).toBeCloseTo(1, 6)
      expect(record.normAfter).toBeLessThan(record.normBefore)
      expect(projected.batchLogitChange).toBeLessThan(1e-3)
    },
  )
})
