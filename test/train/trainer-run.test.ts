import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ScriptModule, sgd, Trainer, torch } from '../../src/index.js'
import { readSafetensors, writeSafetensors } from '../../src/torch/index.js'
import { customSchedule, type TrainerOptions } from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'

const options = {
  data: vectors(20),
  epochs: 2,
  batchSize: 6,
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
}
const trainer = async (more: Partial<TrainerOptions> = {}) =>
  new Trainer(await ScriptModule.load(fixture('mlp.scripted.pt')), { ...options, ...more })
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

afterEach(() => vi.restoreAllMocks())

describe('a trainer', () => {
  it('has what it was given, or the defaults', async () => {
    const one = await trainer()
    expect([
      one.epochs,
      one.seed,
      one.device,
      one.learningRate,
      one.data,
      one.extra,
      one.outputOptions,
    ]).toEqual([2, 0, 'cpu', 0.05, options.data, {}, {}])
    expect([one.parallel.rank, one.parallel.size]).toEqual([0, 1])
    const other = await trainer({ seed: 9, outputs: 'logits', epochs: 7 })
    expect([other.epochs, other.seed, other.outputOptions]).toEqual([7, 9, { outputs: 'logits' }])
  })

  it('lets plugins add listeners, in their order, and gives itself back', async () => {
    const one = await trainer()
    const called: unknown[] = []
    const plugin = (name: string) => (given: Trainer) => void called.push([name, given === one])
    expect(one.use(plugin('a'), plugin('b')).use()).toBe(one)
    expect(called).toEqual([
      ['a', true],
      ['b', true],
    ])
  })

  it('reports each event with itself and its place', async () => {
    const one = await trainer({ epochs: 1 })
    const told: unknown[] = []
    for (const name of ['runStart', 'epochStart', 'batchStart', 'batchEnd', 'epochEnd', 'runEnd'] as const) {
      one.on(name, (event: unknown) => {
        const { trainer: own, waitUntil: _, ...fields } = event as Record<string, unknown>
        if ('seconds' in fields) expect(fields.seconds).toBeGreaterThan(0)
        if ('loss' in fields) expect(fields.loss).toBeGreaterThan(0)
        const { seconds: _seconds, loss: _loss, accuracy: _accuracy, ...exact } = fields
        told.push([name, own === one, exact])
      })
    }
    await one.run()
    const rate = { learningRate: 0.05 }
    const step = (batch: number, images: number) => [
      ['batchStart', true, { epoch: 0, step: batch, batch, ...rate }],
      ['batchEnd', true, { epoch: 0, step: batch + 1, batch, images, ...rate }],
    ]
    expect(told).toEqual([
      ['runStart', true, { epoch: 0, step: 0, resumed: false, epochs: 1, batchesPerEpoch: 4 }],
      ['epochStart', true, { epoch: 0, step: 0, ...rate }],
      ...step(0, 6),
      ...step(1, 6),
      ...step(2, 6),
      ...step(3, 2),
      ['epochEnd', true, { epoch: 0, step: 4, images: 20, ...rate }],
      ['runEnd', true, { epoch: 1, step: 4, reason: 'done' }],
    ])
  })

  it('of no epochs, or that is asked to end before it begins, does nothing', async () => {
    const before = (await trainer()).model.parameters()[0]!.toArray()
    const none = await trainer({ epochs: 0 })
    expect(await none.run()).toBe('done')
    const stopped = await trainer()
    stopped.on('runStart', () => stopped.stop())
    const steps: number[] = []
    stopped.on('batchEnd', ({ step }) => void steps.push(step))
    expect(await stopped.run()).toBe('stopped')
    const aborted = await trainer()
    expect(await aborted.run({ signal: AbortSignal.abort() })).toBe('aborted')
    for (const one of [none, stopped, aborted]) expect(one.model.parameters()[0]!.toArray()).toEqual(before)
    expect(steps).toEqual([])
    // A signal that does not abort ends nothing.
    expect(await (await trainer()).run({ signal: new AbortController().signal })).toBe('done')
  })

  it('that is asked to end after the last step of an epoch, or of the run, is done with that', async () => {
    for (const [at, reason] of [
      [4, 'stopped'],
      [8, 'stopped'],
    ] as const) {
      const one = await trainer()
      const events: string[] = []
      one.on('batchEnd', ({ step }) => {
        if (step === at) one.stop()
      })
      one.on('epochEnd', () => void events.push('epochEnd'))
      expect(await one.run()).toBe(reason)
      expect(events).toHaveLength(at === 4 ? 0 : 1)
    }
    const late = await trainer()
    late.on('epochEnd', ({ epoch }) => {
      if (epoch === 1) late.stop()
    })
    expect(await late.run()).toBe('done')
  })

  it('whose listener of an error fails itself warns of that, and rejects with the first', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const one = await trainer()
    one.on('batchEnd', () => Promise.reject(new Error('first')))
    one.on('error', () => Promise.reject(new Error('second')))
    await expect(one.run()).rejects.toThrow('first')
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/error.*second/), {
      code: 'SOS_LISTENER',
    })
  })

  it('gives its folder back, also after an error, and forgets what it was asked for', async () => {
    const folder = temporaryFolder()
    const failing = await trainer({ checkpoints: { folder } })
    failing.on('epochEnd', () => {
      throw new Error('enough')
    })
    await expect(failing.run()).rejects.toThrow('enough')
    expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([])
    const steps: number[] = []
    const one = await trainer({ checkpoints: { folder, everyEpochs: 9 } })
    one.on('batchEnd', ({ step }) => {
      if (step === 1) one.requestCheckpoint()
    })
    one.on('checkpoint', ({ step }) => void steps.push(step))
    expect(await one.run()).toBe('done')
    expect(steps).toEqual([1, 8])
  })

  it('refuses an invalid rate from its optimizer, a listener, or its schedule', async () => {
    const recipe = { ...options.optimizer, learningRate: Number.NaN }
    await expect(trainer({ optimizer: recipe })).rejects.toEqual(
      refusal('ERR_INVALID_ARGUMENT', /learningRate/),
    )
    const schedule = customSchedule('broken', ({ batch }) => (batch === 1 ? Number.POSITIVE_INFINITY : 1))
    await expect((await trainer({ schedule })).run()).rejects.toEqual(
      refusal('ERR_INVALID_ARGUMENT', /learning rate/),
    )
    const one = await trainer()
    one.on('batchEnd', () => {
      one.learningRate = Number.NaN
    })
    await expect(one.run()).rejects.toEqual(refusal('ERR_INVALID_ARGUMENT', /learning rate/))
  })

  it('refuses invalid options, by their names', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    for (const [more, name] of [
      [{ data: 5 }, /data/],
      [{ epochs: -1 }, /epochs/],
      [{ batchSize: 0 }, /batchSize/],
      [{ seed: 0.5 }, /seed/],
      [{ residentBytes: -1 }, /residentBytes/],
      [{ checkpoints: { folder: 'x', keep: 0 } }, /keep/],
      [{ checkpoints: { folder: 'x', everyEpochs: 0 } }, /everyEpochs/],
    ] as const) {
      expect(() => new Trainer(model, { ...options, ...more } as never)).toThrow(
        refusal('ERR_INVALID_ARGUMENT', name),
      )
    }
    expect(() => new Trainer(5 as never, options)).toThrow(refusal('ERR_INVALID_ARGUMENT', /model/))
    expect(() => new Trainer(model, 5 as never)).toThrow(refusal('ERR_INVALID_ARGUMENT', /options/))
  })
})

describe('a checkpoint', () => {
  const stopped = async (at = 3) => {
    const folder = temporaryFolder()
    const one = await trainer({ checkpoints: { folder } })
    one.extra.mine = { list: [1, 2] }
    one.on('batchEnd', ({ step }) => {
      if (step === at) one.stop()
    })
    await one.run()
    return { folder, path: join(folder, `checkpoint-00000000${at}.safetensors`), one }
  }

  it('is not there at first', async () => {
    expect(await (await trainer({ checkpoints: { folder: temporaryFolder() } })).resume()).toBe(false)
    const missing = join(temporaryFolder(), 'none')
    const one = await trainer({ checkpoints: { folder: missing } })
    expect(await one.resume()).toBe(false)
    expect(await one.run()).toBe('done')
    expect(readdirSync(missing).filter((name) => name.endsWith('.safetensors'))).toEqual([
      'checkpoint-000000004.safetensors',
      'checkpoint-000000008.safetensors',
    ])
  })

  it('has the place, the sums, what listeners keep, and how often each event came', async () => {
    const { path, folder, one } = await stopped()
    const { metadata, tensors } = await readSafetensors(path)
    const { sums, ...state } = JSON.parse(metadata.state!)
    expect(state).toEqual({
      epoch: 0,
      batch: 3,
      step: 3,
      learningRate: 0.05,
      events: { runStart: 1, epochStart: 1, batchStart: 3, batchEnd: 3 },
      extra: { mine: { list: [1, 2] } },
    })
    expect(sums.images).toBe(18)
    expect(metadata.threads).toBe(String(torch.getNumThreads()))
    expect([...tensors.keys()].sort()).toEqual(
      [
        ...['0.bias', '0.weight', '2.bias', '2.weight'].flatMap((name) => [
          `model.${name}`,
          `optimizer.momentum.${name}`,
        ]),
        'random.cpu',
      ].sort(),
    )
    for (const [name, tensor] of one.model.stateDict())
      expect(tensors.get(`model.${name}`)!.equal(tensor)).toBe(true)
    const again = await trainer({ checkpoints: { folder } })
    expect(await again.resume()).toBe(true)
    expect(again.extra).toEqual({ mine: { list: [1, 2] } })
    const starts: unknown[] = []
    again.on('runStart', ({ resumed, epoch, step }) => void starts.push([resumed, epoch, step]))
    const events: string[] = []
    again.on('epochStart', () => void events.push('epochStart'))
    await again.run()
    expect([starts, events]).toEqual([[[true, 0, 3]], ['epochStart']])
    const last = await readSafetensors(join(folder, 'checkpoint-000000008.safetensors'))
    expect(JSON.parse(last.metadata.state!).events).toEqual({
      runStart: 2,
      epochStart: 2,
      batchStart: 8,
      batchEnd: 8,
      checkpoint: 1, // the one before: each is told when it is written, and the first was not known to its own file
      epochEnd: 2,
    })
  })

  it('brings the random numbers back', async () => {
    const { folder } = await stopped()
    const drawn = torch.rand([3]).toArray() // what comes after the third step
    torch.manualSeed(1)
    const again = await trainer({ checkpoints: { folder } })
    await again.resume()
    expect(torch.rand([3]).toArray()).toEqual(drawn)
  })

  it.each([
    [
      'of no random numbers',
      (names: string[]) => names.filter((name) => name !== 'random.cpu'),
      /random.*cpu/,
    ],
    ['of another model', (names: string[]) => names.filter((name) => name !== 'model.0.bias'), /0\.bias/],
  ])('is refused: %s', async (_, keep, message) => {
    const { folder, path } = await stopped()
    const { tensors, metadata } = await readSafetensors(path)
    const kept = new Map(keep([...tensors.keys()]).map((name) => [name, tensors.get(name)!]))
    await writeSafetensors(path, kept, metadata)
    await expect((await trainer({ checkpoints: { folder } })).resume()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(CHECKPOINT|STATE_DICT_MISMATCH)$/),
      message: expect.stringMatching(message),
    })
  })

  it('is not any safetensors file, and no file is a folder of them', async () => {
    const { folder, path } = await stopped()
    const { tensors, metadata } = await readSafetensors(path)
    await writeSafetensors(path, tensors, { ...metadata, format: 'weights' })
    await expect((await trainer({ checkpoints: { folder } })).resume()).rejects.toEqual(
      refusal('ERR_CHECKPOINT', /another safetensors file/),
    )
    await writeSafetensors(path, tensors, { ...metadata, state: '{' })
    await expect((await trainer({ checkpoints: { folder } })).resume()).rejects.toEqual(
      refusal('ERR_CHECKPOINT', /metadata/),
    )
    await expect((await trainer({ checkpoints: { folder: path } })).resume()).rejects.toEqual(
      refusal('ERR_CHECKPOINT', /safetensors/),
    )
  })

  it('is kept as long as asked for, the latest last', async () => {
    for (const [keep, steps] of [
      [1, [8]],
      [undefined, [4, 8]],
      [5, [4, 8]],
    ] as const) {
      const folder = temporaryFolder()
      await (await trainer({ checkpoints: { folder, ...(keep && { keep }) } })).run()
      const names = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
      expect(names).toEqual(steps.map((step) => `checkpoint-00000000${step}.safetensors`))
    }
  })
})
