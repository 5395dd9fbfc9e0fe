import { describe, expect, it } from 'vitest'

import {
  type Dataset,
  evaluate,
  idx,
  imageFolder,
  preprocessOf,
  presetNamed,
  ScriptModule,
  torch,
} from '../../src/index.js'
import { dataRoot, demoModel, fashionMnist, fixture } from '../support/paths.js'
import { reference } from '../support/python.js'

describe('evaluate', () => {
  it("gives Python's accuracies, loss and predictions, whatever the batch size", async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idx(fashionMnist, 'test', preprocessOf(model))
    const python = await reference('evaluate', { model: demoModel, folder: fashionMnist })
    const seen: number[] = []
    const result = await evaluate(model, dataset, {
      batchSize: 300,
      onProgress: ({ done }) => void seen.push(done),
    })
    expect(result.images).toBe(2000)
    expect(result.top1).toBeCloseTo(python.top1, 10)
    expect(result.top5).toBeCloseTo(python.top5, 10)
    expect(result.loss).toBeCloseTo(python.loss, 6)
    expect([...result.predictions]).toEqual(python.predictions)
    expect(seen.at(-1)).toBe(2000)
  })

  it('spreads a limit over the dataset and keeps the mode', async () => {
    const model = (await ScriptModule.load(demoModel)).train()
    const dataset = await idx(fashionMnist, 'test', preprocessOf(model))
    const result = await evaluate(model, dataset, { limit: 4 })
    expect(result.indices).toEqual([0, 500, 1000, 1500])
    expect(model.training).toBe(true)
  })

  it('stops at a signal', async () => {
    const model = await ScriptModule.load(demoModel)
    const dataset = await idx(fashionMnist, 'test', preprocessOf(model))
    await expect(
      evaluate(model, dataset, { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
  })

  it('leaves corrupt images out of all figures, and names them', async () => {
    const model = await ScriptModule.load(demoModel)
    const test = await idx(fashionMnist, 'test', preprocessOf(model))
    const skipping = (bad: (index: number) => boolean): Dataset => ({
      ...test,
      load: async (asked) => ({
        ...(await test.load(asked.filter((index) => !bad(index)))),
        skipped: asked.filter(bad).map((index) => ({ index, path: `${index}.jpg`, reason: 'corrupt' })),
      }),
    })
    const options = { limit: 100, batchSize: 10 }
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
    const { top5 } = await evaluate(model, dataset([0, 2], 6))
    expect(top5).toBeNull()
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
