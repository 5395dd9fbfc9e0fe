import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  evaluateDuringTraining,
  probeDuringTraining,
  recordRun,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
  torch,
} from '../../src/index.js'
import type { Parallel, TrainerOptions } from '../../src/train/index.js'
import { TrainingData } from '../../src/train/training-data.js'

import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'
import { ranksInThread } from '../support/ranks-in-thread.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const options = {
  data: vectors(20),
  epochs: 2,
  batchSize: 6,
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
}

/** Trains on each rank at once, from weights of its own. */
async function together(
  size: number,
  more: (parallel: Parallel) => Partial<TrainerOptions> = () => ({}),
  plugins = (_: Trainer) => {},
) {
  const trainers: Trainer[] = []
  for (const parallel of ranksInThread(size)) {
    const model = await load()
    if (parallel.rank > 0) for (const parameter of model.parameters()) parameter.detach().fill_(9) // the first's are taken
    const trainer = new Trainer(model, { ...options, parallel, ...more(parallel) })
    plugins(trainer)
    trainers.push(trainer)
  }
  return trainers
}

function expectSame(model: ScriptModule, expected: ScriptModule) {
  for (const [name, tensor] of expected.stateDict()) {
    expect(torch.allclose(model.stateDict().get(name)!, tensor, { rtol: 1e-10, atol: 1e-12 }), name).toBe(
      true,
    )
  }
}

describe.each([2, 3])('a run of %i ranks', (size) => {
  it('ends with the weights, the losses and the accuracies of one', async () => {
    // Of 20 images in batches of 6 the last has 2: too few for three ranks.
    const data = size === 3 ? vectors(21) : vectors(20)
    const told = (trainer: Trainer, into: unknown[]) => {
      trainer.on('epochEnd', ({ loss, accuracy, images }) => {
        into.push([loss.toFixed(10), accuracy.toFixed(10), images])
      })
      trainer.on('batchEnd', ({ images, step }) => void into.push([images, step]))
    }
    const one = new Trainer(await load(), { ...options, data })
    const expected: unknown[] = []
    told(one, expected)
    await one.run()
    const found = Array.from({ length: size }, (): unknown[] => [])
    const trainers = await together(
      size,
      () => ({ data }),
      (trainer) => told(trainer, found[trainer.parallel.rank]!),
    )
    expect(await Promise.all(trainers.map((trainer) => trainer.run()))).toEqual(Array(size).fill('done'))
    for (const { model } of trainers) expectSame(model, one.model)
    for (const events of found) expect(events).toEqual(expected)
  })

  it('writes, evaluates, probes and records in the first alone', async () => {
    const folder = temporaryFolder()
    const events: string[][] = Array.from({ length: size }, () => [])
    const trainers = await together(
      size,
      () => ({ checkpoints: { folder } }),
      (trainer) => {
        const { rank } = trainer.parallel
        trainer.use(
          evaluateDuringTraining(vectors(9)),
          probeDuringTraining({ probes: 0, samples: 9 }),
          recordRun(join(folder, `${rank}.jsonl`)),
        )
        for (const name of ['evaluation', 'probe', 'checkpoint', 'epochEnd'] as const)
          trainer.on(name, () => void events[rank]!.push(name))
      },
    )
    await Promise.all(trainers.map((trainer) => trainer.run()))
    expect(events[0]!.join(' ')).toBe(
      'evaluation probe epochEnd checkpoint evaluation probe epochEnd checkpoint',
    )
    for (const others of events.slice(1)) expect(others).toEqual(['epochEnd', 'epochEnd'])
    expect(readdirSync(folder).filter((name) => name.endsWith('.jsonl'))).toEqual(['0.jsonl'])
    expect(existsSync(join(folder, `checkpoint-00000000${size === 3 ? 6 : 8}.safetensors`))).toBe(true)
  })

  it('ends together if one of them is asked to, and continues to what one would have been', async () => {
    const folder = temporaryFolder()
    const checkpoints = { folder }
    const first = await together(
      size,
      () => ({ checkpoints }),
      (trainer) => {
        if (trainer.parallel.rank === 1) {
          trainer.on('batchEnd', ({ step }) => {
            if (step === 3) trainer.requestCheckpoint()
            if (step === 6) trainer.stop()
          })
        }
      },
    )
    const steps: number[] = []
    first[0]!.on('checkpoint', ({ step }) => void steps.push(step))
    expect(await Promise.all(first.map((trainer) => trainer.run()))).toEqual(Array(size).fill('stopped'))
    const perEpoch = size === 3 ? 3 : 4
    expect(steps).toEqual(size === 3 ? [3, 6] : [3, 4, 6])
    const sums: number[][] = []
    const second = await together(
      size,
      () => ({ checkpoints }),
      (trainer) => {
        trainer.on('epochEnd', ({ loss, accuracy, images }) => void sums.push([loss, accuracy, images]))
      },
    )
    for (const trainer of second) expect(await trainer.resume()).toBe(true)
    expect(await Promise.all(second.map((trainer) => trainer.run()))).toEqual(Array(size).fill('done'))
    const whole = await together(size)
    const expected: number[][] = []
    whole[0]!.on('epochEnd', ({ loss, accuracy, images }) => void expected.push([loss, accuracy, images]))
    await Promise.all(whole.map((trainer) => trainer.run()))
    for (const { model } of second) expectSame(model, whole[0]!.model)
    // The sums of the epoch that was begun before are added up again, once.
    if (perEpoch === 4)
      for (const one of sums) expect(one).toEqual(expected.at(-1)!.map((x) => expect.closeTo(x, 10)))
    await expect(
      together(size + 1, () => ({ checkpoints })).then((trainers) => trainers[0]!.resume()),
    ).rejects.toThrow(`processes was ${size} and is ${size + 1}`)
  })

  it.each(['keep', 'project', 'zero'] as const)('shifts as one does: %s', async (momentum) => {
    const sos = { batchSize: 5, startEpoch: 1, momentum, seed: 4 } as const
    const records: unknown[] = []
    const watch = (trainer: Trainer) => {
      trainer.use(sosDuringTraining(sos))
      trainer.on('shift', ({ shift }) => {
        records.push([trainer.parallel.rank, shift.rank, shift.indices, shift.normAfter.toFixed(9)])
      })
    }
    const data = size === 3 ? vectors(21) : vectors(20)
    const one = new Trainer(await load(), { ...options, data })
    watch(one)
    await one.run()
    const trainers = await together(size, () => ({ data }), watch)
    await Promise.all(trainers.map((trainer) => trainer.run()))
    for (const { model } of trainers) expectSame(model, one.model)
    expect(records).toHaveLength(2)
    expect(records[1]).toEqual(records[0])
  })
})

describe('the data of a rank', () => {
  it('is refused without an image for each', async () => {
    const open = (batchSize: number, shard: object, more: object = {}) =>
      TrainingData.open(vectors(5), { batchSize, shard: shard as { rank: number; size: number }, ...more })
    for (const [batchSize, shard, message] of [
      [2, { rank: 0, size: 3 }, /batchSize, of all processes/],
      [4, { rank: 3, size: 3 }, /shard\.rank/],
      [4, { rank: -1, size: 3 }, /shard\.rank/],
      [4, { rank: 0, size: 0 }, /shard\.size/],
    ] as const) {
      await expect(open(batchSize, shard)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      })
    }
    await expect(open(9, { rank: 0, size: 6 })).rejects.toMatchObject({ code: 'ERR_BATCH_SIZE' })
    expect((await open(9, { rank: 0, size: 5 })).batchesPerEpoch).toBe(1)
    await expect(open(6, { rank: 0, size: 1 }, { dropLast: true })).rejects.toMatchObject({
      code: 'ERR_BATCH_SIZE',
      message: expect.stringMatching(/5.*vectors.*6/),
    })
    expect((await open(5, { rank: 0, size: 1 }, { dropLast: true })).batchesPerEpoch).toBe(1)
    // A last batch of one image cannot be divided between two ranks.
    expect((await open(2, { rank: 0, size: 2 })).batchesPerEpoch).toBe(2)
    expect((await open(3, { rank: 0, size: 2 })).batchesPerEpoch).toBe(2)
    expect((await open(4, { rank: 0, size: 1 })).batchesPerEpoch).toBe(2)
    expect((await open(4, { rank: 0, size: 1 }, { dropLast: true })).batchesPerEpoch).toBe(1)
  })
})
