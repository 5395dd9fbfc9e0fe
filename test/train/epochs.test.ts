import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { ScriptModule, sam, sgd, type Tensor, Trainer, torch } from '../../src/index.js'
import { customSchedule } from '../../src/train/index.js'

import { seedAt } from '../../src/train/seeds.js'
import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const perceptron = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const plain = { data: vectors(20), batchSize: 6, optimizer: sgd({ learningRate: 0.05 }) }

/** The mean cross-entropy of a model on all of a dataset, and how many of its images it knows. */
async function scoreOf(model: ScriptModule, data: Dataset) {
  const { images } = await data.load([...data.labels.keys()])
  const logits = await torch.noGrad(() => model.forward<Tensor>(images))
  const rows = logits.toArray() as number[][]
  const loss = rows.map((row, i) => {
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0)
    return Math.log(sum) - row[data.labels[i]!]!
  })
  const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === data.labels[i])
  return { loss: loss.reduce((a, b) => a + b) / loss.length, accuracy: (100 * right.length) / rows.length }
}

describe('an epoch', () => {
  it.each([
    ['sgd', sgd({ learningRate: 0.05 })],
    ['sam', sam(sgd({ learningRate: 0.05 }), { rho: 0.5 })],
  ])('of one step tells the loss and the accuracy of the weights before it: %s', async (_, optimizer) => {
    const expected = await scoreOf(await perceptron(), plain.data)
    const trainer = new Trainer(await perceptron(), { ...plain, optimizer, batchSize: 20, epochs: 1 })
    const told: { loss: number; accuracy: number; images: number }[] = []
    trainer.on('epochEnd', ({ loss, accuracy, images }) => void told.push({ loss, accuracy, images }))
    const ofBatch: number[] = []
    trainer.on('batchEnd', ({ loss }) => void ofBatch.push(loss))
    await trainer.run()
    expect(told).toEqual([
      { loss: expect.closeTo(expected.loss, 10), accuracy: expected.accuracy, images: 20 },
    ])
    expect(ofBatch).toEqual([expect.closeTo(expected.loss, 10)])
  })

  it('begins with the rate of its first step, and ends with that of its last', async () => {
    const factor = customSchedule('steps', ({ epoch, batch }) => 1 + 10 * epoch + batch)
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 2, schedule: factor })
    trainer.learningRate = 0.001
    const factors: string[] = []
    const note = (name: string, rate: number) => void factors.push(`${name} ${Math.round(rate / 0.001)}`)
    trainer.on('epochStart', ({ learningRate }) => note('start', learningRate))
    trainer.on('batchStart', ({ learningRate }) => note('batch', learningRate))
    trainer.on('epochEnd', ({ learningRate }) => note('end', learningRate))
    await trainer.run()
    const epoch = (first: number) => [
      `start ${first}`,
      ...[0, 1, 2, 3].map((batch) => `batch ${first + batch}`),
      `end ${first + 3}`,
    ]
    expect(factors).toEqual([...epoch(1), ...epoch(11)])
  })

  it.each([
    [1, 5, [4, 8, 12, 16, 20]],
    [2, 5, [8, 16, 20]],
    [3, 6, [12, 24]],
  ])('each %i of %i writes a checkpoint, and the last', async (everyEpochs, epochs, steps) => {
    const folder = temporaryFolder()
    const checkpoints = { folder, everyEpochs, keep: 20 }
    const trainer = new Trainer(await perceptron(), { ...plain, epochs, checkpoints })
    const told: number[] = []
    trainer.on('checkpoint', ({ step }) => void told.push(step))
    await trainer.run()
    expect(told).toEqual(steps)
    expect(readdirSync(folder).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(0)
  })
})

describe('a checkpoint that is asked for', () => {
  it('is written after the step at work, and if that ends an epoch, once, as the next one begins', async () => {
    const checkpoints = { folder: temporaryFolder(), everyEpochs: 100, keep: 20 }
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 3, checkpoints })
    const told: string[] = []
    trainer.on('batchEnd', ({ step }) => {
      if (step === 2 || step === 4) trainer.requestCheckpoint() // of four in an epoch
    })
    trainer.on('checkpoint', ({ epoch, step }) => void told.push(`${epoch} ${step}`))
    await trainer.run()
    expect(told).toEqual(['0 2', '1 4', '3 12'])
  })
})

describe('a trainer of probabilities', () => {
  it('refuses a model that returns logits', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1, outputs: 'probabilities' })
    await expect(trainer.run()).rejects.toMatchObject({ code: 'ERR_PROBABILITIES' })
  })
})

describe('a run', () => {
  it('that continues has the learning rate that a listener left', async () => {
    const straight = await perceptron()
    const options = { ...plain, epochs: 3, checkpoints: { folder: temporaryFolder() } }
    const lower = (trainer: Trainer) =>
      trainer.on('epochEnd', ({ epoch }) => {
        if (epoch === 0) trainer.learningRate = 0.0125
      })
    const whole = new Trainer(straight, { ...options, checkpoints: { folder: temporaryFolder() } })
    lower(whole)
    await whole.run()

    const first = new Trainer(await perceptron(), options)
    lower(first)
    first.on('batchEnd', ({ step }) => {
      if (step === 6) first.stop()
    })
    expect(await first.run()).toBe('stopped')
    const model = await perceptron()
    const second = new Trainer(model, options)
    expect(await second.resume()).toBe(true)
    expect(second.learningRate).toBe(0.0125)
    const rates: number[] = []
    second.on('batchStart', ({ learningRate }) => void rates.push(learningRate))
    await second.run()
    expect(rates).toEqual(Array(6).fill(0.0125))
    for (const [name, tensor] of straight.stateDict()) {
      expect(model.stateDict().get(name)!.toArray()).toEqual(tensor.toArray())
    }
  })

  it('draws what its operators draw by its own seed', async () => {
    for (const seed of [0, 7]) {
      torch.rand([3]) // whatever was drawn before
      const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1, seed })
      let drawn: unknown
      trainer.on('runStart', () => {
        drawn = torch.rand([4]).toArray()
      })
      await trainer.run()
      expect(drawn).toEqual(
        torch.rand([4], { generator: new torch.Generator(seedAt(seed, 'model', 0)) }).toArray(),
      )
    }
  })

  it('seeds each draw by its place, as SplitMix64 mixes it in Python', async () => {
    const places = [
      { seed: 0, stream: 'order', epoch: 0, batch: 0 },
      { seed: 1, stream: 'augmentation', epoch: 3, batch: 17 },
      { seed: 2 ** 40 + 5, stream: 'mixup', epoch: 12, batch: 1 },
      { seed: 9, stream: 'shift', epoch: 99, batch: 0 },
      { seed: 9, stream: 'model', epoch: 1000, batch: 2 },
    ] as const
    const ours = places.map(({ seed, stream, epoch, batch }) => seedAt(seed, stream, epoch, batch))
    expect(ours).toEqual(await reference('seeds', { places }))
    expect(ours.every(Number.isSafeInteger)).toBe(true)
    expect(new Set(ours).size).toBe(places.length)
  })
})
