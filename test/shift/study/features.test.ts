import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../../src/data/index.js'
import {
  captureInputs,
  evaluate,
  idxFolder,
  preprocessOf,
  ScriptModule,
  subset,
  torch,
} from '../../../src/index.js'
import { linearLayer } from '../../../src/shift/index.js'

import { cacheFeatures } from '../../../src/shift/study/features.js'
import { StudyLayer } from '../../../src/shift/study/study-layer.js'
import { ValidationMeter } from '../../../src/shift/study/validation-meter.js'
import { datasetOf, vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

let test: Dataset
beforeAll(async () => {
  test = await idxFolder(fashionMnist, 'test', preprocessOf(await ScriptModule.load(demoModel)))
})

const ten = Array.from({ length: 10 }, (_, i) => `class ${i}`)

/** Noise for torchvision's networks with ten classes. */
const images = (size: number) => datasetOf('noise', randn([size, 3, 64, 64], 8), ten)

describe('the cached features', () => {
  it.each([
    ['a network without batch norms to fold', demoModel, 'fc', () => Promise.resolve(test)],
    ['a traced ResNet-18', fixture('resnet18.traced.pt'), 'fc', () => Promise.resolve(images(48))],
  ])('give the very predictions that the model makes itself: %s', async (_, path, layerPath, open) => {
    const model = await ScriptModule.load(path)
    const data = await open()
    const layer = linearLayer(model, layerPath)
    const indices = Array.from({ length: Math.min(500, data.size) }, (_, i) => i)
    const features = await cacheFeatures(model, layer, data, indices, { frozen: true })
    const studied = new StudyLayer(model, layer)
    const meter = await ValidationMeter.open(features, data.labels, studied.stored, {})
    const { predictions } = await torch.noGrad(() => meter.measure(studied.stored, new Set()))
    const evaluated = await evaluate(model, subset(data, indices))
    expect(predictions).toEqual(evaluated.predictions)
  })

  it('are measured as arithmetic by hand: drift, margins, unseen classes', async () => {
    const rows = torch.tensor([[1], [-1], [0.25], [4]])
    const map = (weights: number[], bias: number[]) => ({
      weight: torch.tensor(weights.map((one) => [one])),
      bias: torch.tensor(bias),
    })
    const indices = [5, 0, 3, 1]
    const labels = Int32Array.of(2, 1, 9, 0, 9, 1) // of these images: 1, 2, 0, 1
    const original = map([1, 0, -1], [0.5, 0, 0])
    const meter = await ValidationMeter.open({ rows, indices, skipped: 0 }, labels, original, {})
    // z: [1.5, 0, -1], [-0.5, 0, 1], [0.75, 0, -0.25], [4.5, 0, -4]: the classes 0, 2, 0, 0.
    expect(meter.before.top1).toBe(50)
    // V and b so that z* is [0, 1, 0] · input, plus [0.5, 0, 0]: the classes 1, 0, 0, 1.
    const measured = await torch.noGrad(() => meter.measure(map([0, 1, 0], [0.5, 0, 0]), new Set([0, 2])))
    expect([...measured.predictions]).toEqual([1, 0, 0, 1])
    expect(measured.test).toMatchObject({ onlyBefore: 1, onlyAfter: 2 })
    // Δz is the input times [-1, 1, 1].
    expect(measured.drift).toMatchObject({
      maxLogitChange: 4,
      meanLogitChange: 6.25 / 4,
      changedPredictions: 3,
      marginSafeShare: 0.25,
    })
    expect(measured.drift.sample).toEqual([
      { drift: 2, margin: 1.5 },
      { drift: 2, margin: 1 },
      { drift: 0.5, margin: 0.75 },
      { drift: 8, margin: 4.5 },
    ])
    // Class 1 is not covered: its two images were wrong, and are right.
    expect(measured.unseen).toEqual({ classes: 1, images: 2, top1Before: 0, top1After: 100 })
    const others = await torch.noGrad(() => meter.measure(original, new Set([1])))
    expect(others.unseen).toEqual({ classes: 2, images: 2, top1Before: 100, top1After: 100 })
  })

  it('are those that a hook receives, if no frozen copy is asked for', async () => {
    const model = await ScriptModule.load(fixture('resnet18.traced.pt'))
    const [data, layer] = [images(6), linearLayer(model, 'fc')]
    const indices = [0, 1, 2, 3, 4, 5]
    const heard = await captureInputs(model, layer, data, indices)
    const { rows } = await cacheFeatures(model, layer, data, indices)
    expect(rows.equal(heard)).toBe(true)
    // A frozen copy has its batch norms in its convolutions, so that other numbers are rounded.
    const frozen = await cacheFeatures(model, layer, data, indices, { frozen: true })
    const off = frozen.rows.sub(heard).abs().max().item()
    expect(off).toBeGreaterThan(0)
    expect(off).toBeLessThan(1e-4 * heard.abs().max().item())
  })

  it('of images of which none can be read are refused', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const found = cacheFeatures(model, linearLayer(model), vectors(4, [1, 2]), [1, 2])
    await expect(found).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/^vectors: expected images but all 2 /),
    })
  })

  it('in half precision are multiplied in the dtype of the layer, as a batch of a model that casts', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const studied = new StudyLayer(model, linearLayer(model))
    const { weight, bias } = studied.exact
    const a = randn([5, weight.shape[0]!], 3, 'float16')
    const { batchLogitChange } = torch.noGrad(() =>
      studied.candidate(a, { weight: weight.mul(0.5), bias }, null),
    )
    const expected = torch.noGrad(() => a.to('float64').matmul(weight.mul(0.5)).abs().max().item())
    expect(batchLogitChange).toBeCloseTo(expected, 10)
  })

  it('are the same in memory and in a mapped file', async () => {
    const model = await ScriptModule.load(demoModel)
    const layer = linearLayer(model)
    const indices = Array.from({ length: 130 }, (_, i) => i)
    const inMemory = await cacheFeatures(model, layer, test, indices)
    const mapped = await cacheFeatures(model, layer, test, indices, { mapAbove: 0 })
    expect(inMemory.rows.shape).toEqual([130, 256])
    expect(inMemory.rows.equal(mapped.rows)).toBe(true)
    const frozen = await cacheFeatures(model, layer, test, indices, { frozen: true })
    expect(frozen.rows.sub(inMemory.rows).abs().max().item()).toBeLessThan(1e-5)
  })
})
