import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import {
  evaluate,
  evaluateAll,
  idxFolder,
  imageFolder,
  preprocessOf,
  ScriptModule,
  type Tensor,
  torch,
} from '../../src/index.js'
import { presetNamed } from '../../src/model/index.js'

import { dataRoot, demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'

describe('evaluate', () => {
  it("gives Python's accuracies, loss and predictions, whatever the batch size", async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const python = await reference('evaluate', { model: demoModel, folder: fashionMnist })
    const seen: number[] = []
    const result = await evaluate(model, dataset, {
      chunk: 300,
      perClass: true,
      onProgress: ({ done }) => void seen.push(done),
    })
    expect(result.images).toBe(2000)
    expect(result.top1).toBeCloseTo(python.top1, 10)
    expect(result.top5).toBeCloseTo(python.top5, 10)
    expect(result.loss).toBeCloseTo(python.loss, 6)
    expect(result.calibrationError).toBeCloseTo(python.calibrationError, 6)
    expect([...result.predictions]).toEqual(python.predictions)
    expect(result.perClass!.map(({ name }) => name)).toEqual(dataset.classes)
    for (const [k, { images, top1 }] of result.perClass!.entries()) {
      expect(images).toBe(dataset.labels.filter((label) => label === k).length)
      expect(top1).toBeCloseTo(python.perClass[k], 10)
    }
    expect(seen.at(-1)).toBe(2000)
  })

  it('spreads a limit over the dataset and keeps the mode', async () => {
    const model = (await ScriptModule.load(demoModel)).train()
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const result = await evaluate(model, dataset, { limit: 4 })
    expect(result.indices).toEqual([0, 500, 1000, 1500])
    expect(model.training).toBe(true)
  })

  it('decodes once for several models, and gives for each what it gives alone, at every run', async () => {
    const model = await ScriptModule.load(demoModel)
    const other = await model.clone()
    await torch.noGrad(
      async () =>
        void other
          .namedParameters()
          .get('fc.bias')!
          .add_(randn([10], 1)),
    )
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    let loads = 0
    const load = (asked: readonly number[]) => {
      loads++
      return dataset.load(asked)
    }
    const options = { limit: 250, chunk: 100 }
    const both = await evaluateAll([model, other], { ...dataset, load }, options)
    expect(loads).toBe(3)
    expect(both[0]!.predictions).not.toEqual(both[1]!.predictions)
    expect(both).toEqual([await evaluate(model, dataset, options), await evaluate(other, dataset, options)])
  })

  it('runs a model as it is where that is hooked, or on request, with the same predictions', async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const options = { limit: 200, chunk: 100 }
    const fast = await evaluate(model, dataset, options)
    const plain = await evaluate(model, dataset, { ...options, optimize: false })
    expect(plain.predictions).toEqual(fast.predictions)
    expect(Math.abs(plain.loss - fast.loss)).toBeLessThan(1e-4)
    const heard: number[] = []
    const hook = model.registerForwardHook(
      'fc',
      ({ output }) => void heard.push((output as Tensor).shape[0]!),
    )
    expect(await evaluate(model, dataset, options)).toEqual(plain)
    expect(heard).toEqual([100, 100])
    hook.remove()
  })

  it('is refused if calls of one of the models in train mode are pending, and works after them', async () => {
    const [model, other] = [await ScriptModule.load(demoModel), (await ScriptModule.load(demoModel)).train()]
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const pending = torch.noGrad(() => other.forward(randn([64, 1, 28, 28], 1)))
    const failed = evaluateAll([model, other], dataset, { limit: 10 })
    await expect(failed).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await pending
    expect(await evaluateAll([model, other], dataset, { limit: 10 })).toHaveLength(2)
  })

  it('evaluates the weights of the moment', async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    await evaluate(model, dataset, { limit: 10 })
    await torch.noGrad(async () => {
      model.namedParameters().get('fc.weight')!.zero_()
      model.namedParameters().get('fc.bias')!.copy_(torch.arange(10))
    })
    const { predictions } = await evaluate(model, dataset, { limit: 10 })
    expect([...predictions]).toEqual(Array(10).fill(9))
  })

  it('stops at a signal', async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    await expect(
      evaluate(model, dataset, { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
  })

  it('leaves corrupt images out of all figures, and names them', async () => {
    const model = await ScriptModule.load(demoModel)
    const test = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const skipping = (bad: (index: number) => boolean): Dataset => ({
      ...test,
      load: async (asked) => ({
        ...(await test.load(asked.filter((index) => !bad(index)))),
        skipped: asked.filter(bad).map((index) => ({ index, path: `${index}.jpg`, reason: 'corrupt' })),
      }),
    })
    const options = { limit: 100, chunk: 10 }
    const whole = await evaluate(model, test, options)
    const bad = (index: number) => index < 200 || index % 40 === 0
    const part = await evaluate(model, skipping(bad), options)
    const rest = whole.indices.flatMap((index, i) => (bad(index) ? [] : [i]))
    expect(part.indices).toEqual(rest.map((i) => whole.indices[i]))
    expect([...part.predictions]).toEqual(rest.map((i) => whole.predictions[i]))
    expect([part.images, part.skipped.length]).toEqual([rest.length, 100 - rest.length])
    await expect(
      evaluate(
        model,
        skipping(() => true),
        options,
      ),
    ).rejects.toMatchObject({ code: 'ERR_DATASET' })
  })

  it('counts a class by the labels of the images that it evaluated', async () => {
    const model = await ScriptModule.load(demoModel)
    const test = await idxFolder(fashionMnist, 'test', preprocessOf(model))
    const bad = (index: number) => index === 0 || index === 630
    const dataset: Dataset = {
      ...test,
      load: async (asked) => ({
        ...(await test.load(asked.filter((index) => !bad(index)))),
        skipped: asked.filter(bad).map((index) => ({ index, path: `${index}.jpg`, reason: 'corrupt' })),
      }),
    }
    const { perClass, indices } = await evaluate(model, dataset, {
      limit: 200,
      perClass: true,
      chunk: 64,
    })
    // Every tenth image, without two: their logits by the model itself.
    const asked = Array.from({ length: 200 }, (_, i) => 10 * i).filter((index) => !bad(index))
    expect(indices).toEqual(asked)
    const { images } = await test.load(asked)
    const rows = (await torch.noGrad(() => model.eval().forward<Tensor>(images))).toArray() as number[][]
    const counts = test.classes.map((name) => ({ name, images: 0, right: 0 }))
    for (const [i, row] of rows.entries()) {
      const count = counts[test.labels[asked[i]!]!]!
      count.images++
      if (row.indexOf(Math.max(...row)) === test.labels[asked[i]!]) count.right++
    }
    expect(perClass).toEqual(
      counts.map(({ name, images, right }) => ({ name, images, top1: (100 * right) / images })),
    )
    expect(counts.every(({ images, right }) => images > 0 && right > 0)).toBe(true)
  })

  it('refuses labels beyond the outputs, and what is no classifier', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const dataset = (labels: number[], width: number) => ({
      name: 'made',
      size: labels.length,
      classes: ['a', 'b', 'c', 'd'],
      labels: Int32Array.from(labels),
      load: async (indices: readonly number[]) => ({
        images: torch.zeros([indices.length, width], { dtype: 'float64' }),
        indices,
        skipped: [],
      }),
    })
    await expect(evaluate(model, dataset([0, 3], 6))).rejects.toMatchObject({ code: 'ERR_LABELS' })
    const { top5, warnings } = await evaluate(model, dataset([0, 2], 6))
    expect(top5).toBeNull()
    expect(warnings).toEqual([expect.stringContaining('made has 4 classes (a, b, c, d)')])
  })
})

describe('on pictures of many sizes', () => {
  it("predictions are those of Pillow's pipeline, all or all but one of 30", async () => {
    const folder = temporaryFolder()
    for (let i = 0; i < 30; i++) {
      const [width, height] = [70 + 17 * (i % 7), 66 + 23 * (i % 5)]
      // A disc on a slope of colours, another in each.
      const pixels = Uint8Array.from({ length: 3 * width * height }, (_, place) => {
        const [x, y, channel] = [Math.floor(place / 3) % width, Math.floor(place / 3 / width), place % 3]
        const inside = Math.hypot(x - 20 - i, y - 60 + i) < 12 + i
        return inside ? (67 * i + 90 * channel) % 256 : (x * (1 + (i % 3)) + y * channel + 40 * i) % 256
      })
      mkdirSync(join(folder, `class ${i % 3}`), { recursive: true })
      const picture = sharp(pixels, { raw: { width, height, channels: 3 } })
      const path = join(folder, `class ${i % 3}`, String(i).padStart(2, '0'))
      await (i % 4 === 0
        ? picture.png().toFile(`${path}.png`)
        : picture.jpeg({ quality: 92 }).toFile(`${path}.jpg`))
    }
    const model = fixture('resnet18.scripted.pt')
    const recipe = { ...presetNamed('resnet18'), resize: 72, crop: 64 }
    const result = await evaluate(await ScriptModule.load(model), await imageFolder(folder, recipe))
    const python = await reference('image_folder', { model, folder, ...recipe })
    expect([result.images, python.files.length]).toEqual([30, 30])
    const different = [...result.predictions].filter((prediction, i) => prediction !== python.predictions[i])
    expect(different.length).toBeLessThanOrEqual(1)
    expect(new Set(python.predictions).size).toBeGreaterThan(1)
  })
})

describe.skipIf(dataRoot === undefined)('on photographs', () => {
  it("SqueezeNet's predictions are those of Pillow's pipeline, all or all but one of 300", async () => {
    const file = `${dataRoot}/checkpoints/squeezenet1_0.ts.pt`
    const folder = `${dataRoot}/imagenet-sample/val`
    const recipe = presetNamed('squeezenet1_0')
    const dataset = await imageFolder(folder, recipe)
    const result = await evaluate(await ScriptModule.load(file), dataset)
    const python = await reference('image_folder', { model: file, folder, ...recipe })
    expect(result.images).toBe(300)
    const different = [...result.predictions].filter((prediction, i) => prediction !== python.predictions[i])
    expect(different.length).toBeLessThanOrEqual(1)
  })
})
