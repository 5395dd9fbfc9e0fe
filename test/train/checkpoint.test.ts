import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { recordRun, ScriptModule, sgd, Trainer, torch } from '../../src/index.js'
import { readSafetensors, writeSafetensors } from '../../src/torch/index.js'
import type { TrainerOptions } from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'

/** 4 batches an epoch, of two epochs. */
const options = {
  data: vectors(20),
  epochs: 2,
  batchSize: 6,
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
}
const trainer = async (folder: string, change: Partial<TrainerOptions> = {}) =>
  new Trainer(await ScriptModule.load(fixture('mlp.scripted.pt')), {
    ...options,
    checkpoints: { folder },
    ...change,
  })

/** A folder with the checkpoint of a run that was stopped after its second step. */
async function stopped(change: Partial<TrainerOptions> = {}): Promise<string> {
  const folder = temporaryFolder()
  const run = await trainer(folder, change)
  run.on('batchEnd', ({ step }) => {
    if (step === 2) run.stop()
  })
  expect(await run.run()).toBe('stopped')
  return folder
}

const checkpointIn = (folder: string) => join(folder, 'checkpoint-000000002.safetensors')
const refused = (message: RegExp, code = 'ERR_CHECKPOINT') => ({
  code,
  message: expect.stringMatching(message),
})

afterEach(() => vi.restoreAllMocks())

describe('a checkpoint of other data', () => {
  it.each<[string, Partial<Dataset>, RegExp]>([
    ['labels', { labels: vectors(20).labels.slice().reverse() }, /data\.labelsSha256 was/],
    [
      'images',
      {
        async load(indices) {
          const { images, ...which } = await vectors(20).load(indices)
          return { ...which, images: images.add(1) }
        },
      },
      /data\.sampleSha256 was/,
    ],
  ])('of the same name and size, but other %s, is refused', async (_, change, message) => {
    const folder = await stopped()
    const other = await trainer(folder, { data: { ...options.data, ...change } })
    await expect(other.resume()).rejects.toMatchObject(refused(message))
    expect(await (await trainer(folder)).resume()).toBe(true)
  })

  it('with another number of threads gives a warning', async () => {
    const folder = await stopped()
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    expect(await (await trainer(folder)).resume()).toBe(true)
    expect(warn).not.toHaveBeenCalled()
    const threads = torch.getNumThreads()
    torch.setNumThreads(threads + 1)
    try {
      expect(await (await trainer(folder)).resume()).toBe(true)
    } finally {
      torch.setNumThreads(threads)
    }
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(new RegExp(`began with ${threads} threads\\b.* with ${threads + 1}\\b`)),
      { code: 'SOS_THREADS' },
    )
  })
})

describe('a checkpoint that was edited', () => {
  const states: [string, object, RegExp][] = [
    ['an epoch beyond the end', { epoch: 3, step: 14 }, /expected a place within 2 epochs of 4 batches/],
    ['a batch beyond the epoch', { batch: 5, step: 5 }, /expected a place within/],
    ['a place after the end', { epoch: 2, batch: 1, step: 9 }, /expected a place within/],
    ['steps that are not the place', { step: 3 }, /expected a place within/],
    ['half a batch', { batch: 1.5 }, /batch/],
    ['a negative epoch', { epoch: -1 }, /epoch/],
    ['a negative rate', { learningRate: -0.1 }, /learningRate/],
    ['an invalid rate', { learningRate: null }, /learningRate/],
    ['a rate as text', { learningRate: '0.1' }, /learningRate/],
    ['null for a sum', { sums: { loss: null, correct: 1, images: 12 } }, /sums/],
    [
      'more right than there are',
      { sums: { loss: 1, correct: 13, images: 12 } },
      /at most as many correct images/,
    ],
    ['an unknown key', { more: 1 }, /more/],
    ['an invalid count of events', { events: { runStart: -1 } }, /events/],
  ]

  it.each(states)('is refused: %s', async (_, change, message) => {
    const folder = await stopped()
    const path = checkpointIn(folder)
    const { tensors, metadata } = await readSafetensors(path)
    const state = JSON.stringify({ ...JSON.parse(metadata.state!), ...change })
    await writeSafetensors(path, tensors, { ...metadata, state })
    const run = await trainer(folder)
    const resumed = run.resume().then(() => run.run())
    await expect(resumed).rejects.toMatchObject(refused(message))
  })

  it.each(['0', '-1', '1.5', 'many', ''])('is refused: %j threads', async (threads) => {
    const folder = await stopped()
    const { tensors, metadata } = await readSafetensors(checkpointIn(folder))
    await writeSafetensors(checkpointIn(folder), tensors, { ...metadata, threads })
    await expect((await trainer(folder)).resume()).rejects.toMatchObject(refused(/metadata/))
  })

  it.each([
    ['whole numbers for weights', /^model\./, /expected a checkpoint of this model, whose '\S+' is float/],
    ['whole numbers for the momentum', /^optimizer\./, /the state of this optimizer/],
  ])('is refused: %s', async (_, name, message) => {
    const folder = await stopped()
    const { tensors, metadata } = await readSafetensors(checkpointIn(folder))
    const edited = new Map(
      [...tensors].map(([key, value]) => [key, name.test(key) ? value.to('int64') : value]),
    )
    await writeSafetensors(checkpointIn(folder), edited, metadata)
    await expect((await trainer(folder)).resume()).rejects.toMatchObject(refused(message))
  })

  it('is refused: a tensor that is nobody’s', async () => {
    const folder = await stopped()
    const { tensors, metadata } = await readSafetensors(checkpointIn(folder))
    await writeSafetensors(checkpointIn(folder), new Map([...tensors, ['other', torch.ones([1])]]), metadata)
    await expect((await trainer(folder)).resume()).rejects.toMatchObject(refused(/has a tensor 'other'/))
  })
})

describe('a run', () => {
  it('that diverged and was stopped is resumed, with the numbers that JSON has not', async () => {
    const folder = temporaryFolder()
    const first = await trainer(folder)
    first.extra.best = { loss: Number.POSITIVE_INFINITY, all: [Number.NaN, -1 / 0, 1] }
    first.on('batchEnd', ({ step }) => {
      if (step === 1) first.model.parameters()[0]!.detach().fill_(Number.NaN)
      if (step === 2) first.stop()
    })
    expect(await first.run()).toBe('stopped')
    const second = await trainer(folder)
    expect(await second.resume()).toBe(true)
    expect(second.extra).toEqual({ best: { loss: Number.POSITIVE_INFINITY, all: [Number.NaN, -1 / 0, 1] } })
    await expect(second.run()).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' })
  })

  it('has its folder for itself', async () => {
    const folder = temporaryFolder()
    const first = await trainer(folder)
    const others: unknown[] = []
    first.once('epochStart', async () => {
      const second = await trainer(folder)
      others.push(await second.run().catch(({ code, message }) => [code, message]))
    })
    expect(await first.run()).toBe('done')
    expect(others).toEqual([
      ['ERR_LOCKED', expect.stringContaining('this process itself has been working on it')],
    ])
  })

  it('does not begin anew beside checkpoints, nor continue from one that is no longer the last', async () => {
    const folder = await stopped()
    await expect((await trainer(folder)).run()).rejects.toMatchObject(
      refused(/call resume\(\) before run\(\)/),
    )
    const [first, second] = [await trainer(folder), await trainer(folder)]
    await first.resume()
    await second.resume()
    expect(await first.run()).toBe('done')
    await expect(second.run()).rejects.toMatchObject(refused(/to be the last checkpoint but .*000000008/))
  })

  it('does not empty a file that is no record of a run', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'notes.txt')
    for (const text of ['one\ntwo\n', 'one line', '{"event":"run"}\n', '{"event":"epoch"}']) {
      writeFileSync(path, text)
      const run = (await trainer(temporaryFolder())).use(recordRun(path))
      await expect(run.run()).rejects.toMatchObject({ code: 'ERR_RECORD' })
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
    writeFileSync(path, '{"event":"run","epo') // what a kill leaves
    const run = (await trainer(temporaryFolder())).use(recordRun(path))
    expect(await run.run()).toBe('done')
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"event":"run","epochs":2,/)
  })
})
