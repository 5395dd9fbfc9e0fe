import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type Dataset,
  evaluateDuringTraining,
  idxFolder,
  multiStep,
  preprocessOf,
  ScriptModule,
  sgd,
  type Tensor,
  Trainer,
  torch,
} from '../../src/index.js'
import type { RunEndEvent } from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const perceptron = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const plain = { data: vectors(20), batchSize: 6, optimizer: sgd({ learningRate: 0.05 }) }

describe('a trainer', () => {
  it('does what a loop in Python does, on the same batches', async () => {
    const model = await ScriptModule.load(demoModel)
    const whole = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const epochs: number[][][] = []
    // A dataset that notes what is asked of it, in float64, and whose last batch is not full.
    const data: Dataset = {
      ...whole,
      size: 70,
      labels: whole.labels.subarray(0, 70),
      async load(indices) {
        if (epochs.length === 0 || epochs.at(-1)!.length === 5) epochs.push([])
        epochs.at(-1)!.push([...indices])
        const { images, ...which } = await whole.load(indices)
        return { ...which, images: images.to('float64') }
      },
    }
    delete (data as { pixels?: unknown }).pixels
    await model.to({ dtype: 'float64' })
    const numbers = { learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 1e-3 }
    const trainer = new Trainer(model, {
      data,
      epochs: 2,
      batchSize: 16,
      optimizer: sgd(numbers),
      schedule: multiStep([1]),
    })
    const ends: { loss: number; accuracy: number; images: number }[] = []
    trainer.on('epochEnd', ({ loss, accuracy, images }) => void ends.push({ loss, accuracy, images }))
    expect(await trainer.run()).toBe('done')

    expect(epochs.map((batches) => batches.map((batch) => batch.length))).toEqual([
      [16, 16, 16, 16, 6],
      [16, 16, 16, 16, 6],
    ])
    for (const batches of epochs) expect(batches.flat().sort((a, b) => a - b)).toEqual([...Array(70).keys()])
    expect(epochs[0]).not.toEqual(epochs[1])
    const file = join(temporaryFolder(), 'state.bin')
    const { losses, accuracies } = await reference('training', {
      model: demoModel,
      folder: fashionMnist,
      epochs,
      lr: 0.02,
      momentum: 0.9,
      weight_decay: 1e-3,
      milestone: 1,
      file,
    })
    expect(ends.map(({ images }) => images)).toEqual([70, 70])
    for (const [i, { loss, accuracy }] of ends.entries()) {
      expect(Math.abs(loss - losses[i])).toBeLessThan(1e-6)
      expect(accuracy).toBe(accuracies[i])
    }
    const bytes = readFileSync(file)
    const theirs = torch.tensor(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8))
    const ours = torch.cat([...model.stateDict().values()].map((tensor) => tensor.to('float64').flatten()))
    expect(ours.sub(theirs).norm().item() / theirs.norm().item()).toBeLessThan(1e-7)
  })

  it('is in train mode for its steps alone, and ends in the mode in which it came', async () => {
    const model = (await ScriptModule.load(demoModel)).eval()
    const whole = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const data = { ...whole, size: 40, labels: whole.labels.subarray(0, 40) }
    const trainer = new Trainer(model, { ...plain, data, epochs: 1 })
    const modes: boolean[] = []
    trainer.use(evaluateDuringTraining(data))
    trainer.on('batchEnd', () => void modes.push(model.training))
    trainer.on('evaluation', ({ evaluation }) => expect(evaluation.images).toBe(40))
    await trainer.run()
    expect(modes).toEqual(Array(7).fill(true))
    expect(model.training).toBe(false)
  })

  it('computes in half precision what autocast is for, and keeps its weights', async () => {
    const model = await ScriptModule.load(demoModel)
    const whole = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const options = {
      data: { ...whole, size: 32, labels: whole.labels.subarray(0, 32) },
      epochs: 1,
      batchSize: 32,
    }
    const losses: Record<string, number> = {}
    const dtypes: Record<string, string> = {}
    for (const autocast of ['float32', 'bfloat16'] as const) {
      const fresh = await ScriptModule.load(demoModel)
      const half = autocast === 'bfloat16' ? { autocast } : {}
      const trainer = new Trainer(fresh, { ...options, ...half, optimizer: sgd({ learningRate: 0.01 }) })
      fresh.registerForwardHook('fc', ({ output }) => {
        dtypes[autocast] = (output as Tensor).dtype
      })
      trainer.on('batchEnd', ({ loss }) => {
        losses[autocast] = loss
      })
      await trainer.run()
      expect(new Set(fresh.parameters().map(({ dtype }) => dtype))).toEqual(new Set(['float32']))
    }
    expect(dtypes).toEqual({ float32: 'float32', bfloat16: 'bfloat16' })
    // bfloat16 has eight bits of precision.
    expect(losses.bfloat16).not.toBe(losses.float32)
    expect(Math.abs(losses.bfloat16! - losses.float32!)).toBeLessThan(0.05 * losses.float32!)
  })

  it('takes a learning rate that a listener sets, and the schedule on top', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 4, schedule: multiStep([2]) })
    const rates: number[] = []
    trainer.on('epochEnd', ({ epoch, learningRate }) => {
      rates.push(learningRate)
      if (epoch === 0) trainer.learningRate = 0.5
    })
    await trainer.run()
    expect(rates).toEqual([0.05, 0.5, 0.05, 0.05])
  })

  it('stops when a listener says so, or a signal, with a checkpoint, from which it continues', async () => {
    const straight = await perceptron()
    await new Trainer(straight, { ...plain, epochs: 2 }).run()
    const folder = temporaryFolder()
    const options = { ...plain, epochs: 2, checkpoints: { folder } }
    const stopped = new Trainer(await perceptron(), options)
    stopped.on('batchEnd', ({ step }) => {
      if (step === 2) stopped.stop()
    })
    const ends: RunEndEvent['reason'][] = []
    stopped.on('runEnd', ({ reason }) => void ends.push(reason))
    expect(await stopped.run()).toBe('stopped')

    const aborted = new Trainer(await perceptron(), options)
    const controller = new AbortController()
    expect(await aborted.resume()).toBe(true)
    const starts: string[] = []
    aborted.on('runStart', ({ resumed, step }) => void starts.push(`${resumed} ${step}`))
    aborted.on('epochStart', ({ epoch }) => void starts.push(`epoch ${epoch}`))
    aborted.on('batchEnd', ({ step }) => {
      if (step === 5) controller.abort()
    })
    expect(await aborted.run({ signal: controller.signal })).toBe('aborted')
    expect(starts).toEqual(['true 2', 'epoch 1'])
    expect(ends).toEqual(['stopped'])

    const model = await perceptron()
    const last = new Trainer(model, options)
    await last.resume()
    expect(await last.run()).toBe('done')
    for (const [name, tensor] of straight.stateDict()) {
      expect(model.stateDict().get(name)!.toArray()).toEqual(tensor.toArray())
    }
    expect(readdirSync(folder)).toHaveLength(2)
  })

  it('says what is wrong before it trains', async () => {
    const model = await perceptron()
    const frozen = await (await perceptron()).eval().freeze()
    expect(() => new Trainer(frozen, { ...plain, epochs: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_FROZEN' }),
    )
    expect(() => new Trainer(model, { ...plain, epochs: 0.5 })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    const trainer = new Trainer(model, { ...plain, epochs: 1 })
    await expect(trainer.resume()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => trainer.requestCheckpoint()).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    const large = new Trainer(model, { ...plain, batchSize: 30, dropLast: true, epochs: 1 })
    await expect(large.run()).rejects.toMatchObject({ code: 'ERR_BATCH_SIZE' })
    const data: Dataset = {
      ...plain.data,
      async load(indices) {
        const { images, ...which } = await plain.data.load(indices)
        return { ...which, images: images.div(0) }
      },
    }
    const broken = new Trainer(model, { ...plain, data, epochs: 3 })
    await expect(broken.run()).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' })
  })
})
