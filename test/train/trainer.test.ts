import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  adam,
  type Dataset,
  evaluate,
  evaluateDuringTraining,
  idxFolder,
  multiStep,
  preprocessOf,
  recordRun,
  ScriptModule,
  sgd,
  sosDuringTraining,
  type Tensor,
  Trainer,
  torch,
} from '../../src/index.js'
import {
  type RunEndEvent,
  readRunRecord,
  type TrainerEvents,
  type WaitingEvent,
} from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const perceptron = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const plain = { data: vectors(20), batchSize: 6, optimizer: sgd({ learningRate: 0.05 }) }
const names = ['runStart', 'epochStart', 'batchStart', 'batchEnd', 'shift', 'evaluation', 'probe'] as const
const all: (keyof TrainerEvents)[] = [...names, 'checkpoint', 'epochEnd', 'runEnd']

/** The names of a trainer's events as they come. */
function heard(trainer: Trainer): string[] {
  const events: string[] = []
  for (const name of all) trainer.on(name, () => void events.push(name))
  return events
}

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

  it('tells its events in order, and waits for what listeners ask it to', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 2 })
    const events = heard(trainer)
    trainer.on('epochStart', (event) => {
      event.waitUntil(new Promise((resolve) => setTimeout(resolve, 20)).then(() => events.push('waited')))
    })
    trainer.on('epochStart', () => void events.push('next listener'))
    expect(await trainer.run()).toBe('done')
    const epoch = ['epochStart', 'waited', 'next listener']
    for (let i = 0; i < 4; i++) epoch.push('batchStart', 'batchEnd')
    epoch.push('epochEnd')
    expect(events).toEqual(['runStart', ...epoch, ...epoch, 'runEnd'])
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

  it('stops when a listener says so, or a signal, with a checkpoint, from which it goes on', async () => {
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

  it('ends with the error of a listener, which it tells', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1 })
    let other = 'at work'
    trainer.on('batchEnd', (event) => {
      event.waitUntil(Promise.reject(new Error('of the listener')))
      event.waitUntil(
        new Promise((resolve) => setTimeout(resolve, 30)).then(() => {
          other = 'done'
        }),
      )
    })
    const errors: unknown[] = []
    trainer.on('error', ({ error, step }) => void errors.push([(error as Error).message, step]))
    await expect(trainer.run()).rejects.toThrow('of the listener')
    expect(errors).toEqual([['of the listener', 1]])
    expect(other).toBe('done')
  })

  it.each([
    'runStart',
    'epochStart',
    'batchStart',
    'batchEnd',
    'checkpoint',
    'epochEnd',
    'runEnd',
    'shift',
  ] as const)(
    'awaits an async listener of %s, and what it gives to waitUntil late; its rejection ends the run',
    async (name) => {
      const options = { ...plain, epochs: 1, checkpoints: { folder: temporaryFolder() } }
      const events: string[] = []
      const pause = () => sleep(5)
      const first = new Trainer(await perceptron(), options)
      first.on('epochStart', () => first.tell('shift', { shift: {} as never, momentum: 'keep' }))
      first.on(name, async ({ waitUntil }: WaitingEvent) => {
        events.push('begins')
        await pause()
        waitUntil(pause().then(() => events.push('ends')))
      })
      first.on(name, () => events.push('next'))
      expect(await first.run()).toBe('done')
      expect(events.slice(0, 3)).toEqual(['begins', 'ends', 'next'])
      expect(events.length % 3).toBe(0)

      const second = new Trainer(await perceptron(), {
        ...options,
        checkpoints: { folder: temporaryFolder() },
      })
      second.on('epochStart', () => second.tell('shift', { shift: {} as never, momentum: 'keep' }))
      second.once(name, async () => {
        await pause()
        throw new Error(`of ${name}`)
      })
      const told: unknown[] = []
      second.on('error', async ({ error }) => {
        await pause()
        told.push((error as Error).message)
      })
      await expect(second.run()).rejects.toThrow(`of ${name}`)
      expect(told).toEqual([`of ${name}`])
    },
  )

  it('waits for what a listener began before it threw, and refuses work that comes too late', async () => {
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1 })
    let done = false
    let kept: ((work: Promise<void>) => void) | undefined
    trainer.on('batchEnd', ({ waitUntil }) => {
      kept = waitUntil
      waitUntil(
        sleep(20).then(() => {
          done = true
        }),
      )
      throw new Error('thrown')
    })
    await expect(trainer.run()).rejects.toThrow('thrown')
    expect(done).toBe(true)
    expect(() => kept!(Promise.resolve())).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
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

  it('records a rank of m + 1 where the bias is one of the directions', async () => {
    const path = join(temporaryFolder(), 'run.jsonl')
    const trainer = new Trainer(await perceptron(), { ...plain, epochs: 1 })
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
