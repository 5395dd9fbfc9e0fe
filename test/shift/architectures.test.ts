import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  evaluate,
  imageFolder,
  preprocessOf,
  ScriptModule,
  saveShifted,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../src/index.js'
import { writeSafetensors } from '../../src/torch/index.js'

import { dataRoot, root, temporaryFolder } from '../support/paths.js'
import { pythonPath, reference } from '../support/python.js'
import { differences, largestDifference } from '../support/tensors.js'

const names = ['resnet50', 'shufflenet_v2_x2_0', 'resnext50_32x4d']
const batchSize = 12
const evaluated = 12

const flat = (tensor: Tensor) => tensor.to('float64').reshape([-1]).toTypedArray() as Float64Array

/** Random weights: torchvision's own are not to be had here, and parity with Python needs none. */
describe.skipIf(dataRoot === undefined)('the paper’s ImageNet networks', () => {
  const folder = temporaryFolder()
  const photographs = `${dataRoot}/imagenet-sample/val`

  beforeAll(async () => {
    const script = `${root}/scripts/export/export_torchvision.py`
    for (const name of names) {
      const options = ['--calibrate', photographs, '--out', join(folder, `${name}.pt`)]
      await promisify(execFile)(pythonPath(), [script, name, ...options])
    }
  }, 300_000)

  it.each(names)(
    '%s is evaluated and shifted as in Python',
    async (name) => {
      const path = join(folder, `${name}.pt`)
      const model = await ScriptModule.load(path)
      const dataset = await imageFolder(photographs, preprocessOf(model))
      const before = await evaluate(model, dataset, { limit: evaluated })
      const record = await shiftOptimum(model, dataset, {
        batchSize,
        seed: 1,
        rank: { policy: 'tolerance' },
      })
      const after = await evaluate(model, dataset, { limit: evaluated })
      const shifted = join(folder, `${name}.sos.pt`)
      await saveShifted(model, shifted, record, { dataset: dataset.name, preprocess: preprocessOf(model) })

      // The batch's images, then the evaluated ones, as Python gets them.
      const { images } = await dataset.load([...record.indices, ...before.indices])
      const inputs = join(folder, `${name}.safetensors`)
      await writeSafetensors(inputs, new Map([['images', images]]))
      const python = await reference('projection', {
        model: path,
        shifted,
        layer: record.layer,
        images: inputs,
        channelsLast: images.stride(1) === 1,
        batch: batchSize,
        rank: record.rank,
      })
      expect(python.difference).toBeLessThan(1e-5)
      expect(record.rank).toBe(batchSize)
      expect(record.normAfter / python.normAfter).toBeCloseTo(1, 6)
      expect(record.normAfter).toBeLessThan(record.normBefore)
      expect(python.batchLogitChange).toBeLessThan(1e-3)
      for (const [file, expected] of [
        [path, python.before],
        [shifted, python.after],
      ]) {
        const logits = await torch.noGrad(async () => (await ScriptModule.load(file)).forward(images))
        expect(largestDifference(flat(logits as Tensor), expected)).toBeLessThan(1e-3)
      }
      const top1 = (values: number[]) =>
        Array.from(
          torch.tensor(values).view([-1, 1000]).narrow(0, batchSize, evaluated).argmax(1).toTypedArray(),
          Number,
        )
      expect(differences(before.predictions, top1(python.before))).toBe(0)
      expect(differences(after.predictions, top1(python.after))).toBe(0)
      const pillow = { folder: photographs, limit: evaluated, ...preprocessOf(model) }
      const fromFiles = await reference('image_folder', { model: path, ...pillow })
      expect(differences(before.predictions, fromFiles.predictions)).toBe(0)
    },
    300_000,
  )
})
