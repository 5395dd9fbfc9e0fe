import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  adam,
  type Dataset,
  evaluate,
  evaluateDuringTraining,
  idxFolder,
  preprocessOf,
  recordRun,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
} from '../../../src/index.js'
import { readRunRecord } from '../../../src/train/index.js'

import { vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'

describe('optimum shifting in training', () => {
  let data: Dataset
  let load: () => Promise<ScriptModule>
  beforeAll(async () => {
    load = () => ScriptModule.load(demoModel)
    const whole = await idxFolder(fashionMnist, 'train', preprocessOf(await load()))
    data = { ...whole, size: 64, labels: whole.labels.subarray(0, 64) }
  })

  it('shifts in the epochs asked for, with batches of their own, and is recorded', async () => {
    const model = await load()
    const trainer = new Trainer(model, {
      data,
      epochs: 4,
      batchSize: 32,
      optimizer: sgd({ learningRate: 0.01 }),
    })
    const shifted: { epoch: number; indices: readonly number[] }[] = []
    trainer.on('shift', ({ epoch, shift }) => void shifted.push({ epoch, indices: shift.indices }))
    const path = join(temporaryFolder(), 'run.jsonl')
    trainer.use(
      sosDuringTraining({ batchSize: 12, startEpoch: 1, everyEpochs: 2, heldOut: 8 }),
      evaluateDuringTraining(data, { everyEpochs: 3 }),
      recordRun(path, { name: 'a run' }),
    )
    await trainer.run()
    expect(shifted.map(({ epoch }) => epoch)).toEqual([1, 3])
    expect(shifted[0]!.indices).not.toEqual(shifted[1]!.indices)
    const lines = await readRunRecord(path)
    expect(lines.map(({ event }) => event).join(' ')).toBe(
      'run epoch shift epoch evaluation epoch shift evaluation epoch',
    )
    expect(lines[0]).toEqual({ event: 'run', epochs: 4, batchesPerEpoch: 2, about: { name: 'a run' } })
    const shift = lines[2]!
    if (shift.event !== 'shift') throw new Error('no shift')
    expect(shift).toMatchObject({ batchSize: 12, rank: 12, inFeatures: 256, classesCovered: 10, classes: 10 })
    expect(shift.normAfter).toBeLessThan(shift.normBefore)
    expect(shift.drift!.largest).toBeGreaterThan(0)
    const evaluation = await evaluate(model, data)
    expect(lines.at(-2)).toMatchObject({ event: 'evaluation', top1: evaluation.top1, loss: evaluation.loss })
  })

  it('records a rank of m + 1 if the bias is one of the directions', async () => {
    const path = join(temporaryFolder(), 'run.jsonl')
    const trainer = new Trainer(await ScriptModule.load(fixture('mlp.scripted.pt')), {
      data: vectors(20),
      epochs: 1,
      batchSize: 6,
      optimizer: sgd({ learningRate: 0.05 }),
    })
    const rank = { policy: 'tolerance', tolerance: 1e-9 } as const
    trainer.use(sosDuringTraining({ batchSize: 20, bias: 'augment', rank }), recordRun(path))
    await trainer.run()
    const shift = (await readRunRecord(path)).find(({ event }) => event === 'shift')
    if (shift?.event !== 'shift') throw new Error('no shift')
    expect(shift.rank).toBe(shift.inFeatures + 1)
  })

  const optimizers = {
    momentum: () => sgd({ learningRate: 0.01, momentum: 0.9 }),
    first: () => adam({ learningRate: 0.001 }), // its first moment
  }
  it.each([
    ['keep', 'momentum'],
    ['project', 'momentum'],
    ['zero', 'momentum'],
    ['keep', 'first'],
    ['project', 'first'],
    ['zero', 'first'],
  ] as const)('does to past gradients what %s says: %s', async (momentum, kept) => {
    const model = await load()
    const trainer = new Trainer(model, {
      data,
      epochs: 2,
      batchSize: 32,
      optimizer: optimizers[kept](),
    })
    const buffer = () => trainer.optimizerState().get(`${kept}.fc.weight`)?.clone()
    const weight = () => model.namedParameters().get('fc.weight')!.detach().clone()
    let before: { momentum: ReturnType<typeof buffer>; weight: ReturnType<typeof weight> } | null = null
    trainer.on('epochStart', ({ epoch }) => {
      if (epoch === 1) before = { momentum: buffer(), weight: weight() }
    })
    trainer.use(
      sosDuringTraining({
        batchSize: 20,
        startEpoch: 1,
        momentum,
        rank: { policy: 'fixed', rank: 15 },
        logitBudget: 10,
      }),
    )
    let compared = false
    trainer.on('shift', () => {
      const [was, is] = [before!.momentum!.to('float64'), buffer()!.to('float64')]
      if (momentum === 'keep') expect(is.sub(was).abs().max().item()).toBe(0)
      if (momentum === 'zero') expect(is.abs().max().item()).toBe(0)
      if (momentum === 'project') {
        // What was kept of the momentum is at right angles to what was taken, and both lie where the weight's parts do.
        const taken = was.sub(is)
        const shiftedOut = before!.weight.to('float64').sub(weight().to('float64'))
        expect(is.norm().item()).toBeGreaterThan(0)
        expect(taken.norm().item()).toBeGreaterThan(0)
        expect(is.matmul(taken.t()).abs().max().item()).toBeLessThan(1e-6 * was.norm().item() ** 2)
        expect(is.matmul(shiftedOut.t()).abs().max().item()).toBeLessThan(
          1e-5 * was.norm().item() * shiftedOut.norm().item(),
        )
      }
      compared = true
    })
    await trainer.run()
    expect(compared).toBe(true)
  })
})
