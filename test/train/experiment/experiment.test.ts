import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule, sgd, Trainer, torch } from '../../../src/index.js'
import { experimentRuns, parseConfig, readRunRecord, runExperiment } from '../../../src/train/index.js'

import { demoModel, fashionMnist, temporaryFolder } from '../../support/paths.js'

/** A folder of 24 images of noise in three classes, in the format of MNIST. */
function data(): string {
  const folder = temporaryFolder()
  const numbers = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
    return bytes
  }
  const pixels = Buffer.from(Uint8Array.from({ length: 24 * 784 }, (_, i) => (i * i * 31 + 7 * i) % 251))
  for (const split of ['train', 't10k']) {
    const images = Buffer.concat([numbers(0x803, 24, 28, 28), pixels])
    writeFileSync(join(folder, `${split}-images-idx3-ubyte`), images)
    const labels = Buffer.from(Uint8Array.from({ length: 24 }, (_, i) => i % 3))
    writeFileSync(join(folder, `${split}-labels-idx1-ubyte`), Buffer.concat([numbers(0x801, 24), labels]))
  }
  copyFileSync(`${fashionMnist}/classes.txt`, join(folder, 'classes.txt'))
  return folder
}

const folder = data()
const config = parseConfig(
  {
    model: demoModel,
    train: `idx:${folder}:train`,
    test: `idx:${folder}:test`,
    epochs: 2,
    batchSize: 8,
    seed: 3,
    optimizer: { name: 'sgd', learningRate: 0.01 },
    sos: { batchSize: 5 },
    channelsLast: false,
  },
  'c.json',
)

describe('an experiment', () => {
  it('has all schemes of a seed before the next seed, each in a folder of its own', () => {
    const runs = experimentRuns(config, { schemes: ['sgd', 'sam+sos'], seeds: 2, out: 'x' })
    expect(runs).toEqual([
      { scheme: 'sgd', seed: 3, folder: join('x', 'sgd-seed3') },
      { scheme: 'sam+sos', seed: 3, folder: join('x', 'sam+sos-seed3') },
      { scheme: 'sgd', seed: 4, folder: join('x', 'sgd-seed4') },
      { scheme: 'sam+sos', seed: 4, folder: join('x', 'sam+sos-seed4') },
    ])
  })

  it('trains each run as a trainer with these options does, once, and continues with one that was ended', async () => {
    const out = join(temporaryFolder(), 'out')
    const before = torch.areDeterministicAlgorithmsEnabled()
    const controller = new AbortController()
    const begun: string[] = []
    const switches: boolean[] = []
    const run = (signal?: AbortSignal) =>
      runExperiment(config, {
        schemes: ['sgd', 'sgd+sos'],
        seeds: 1,
        out,
        ...(signal && { signal }),
        onRun: ({ scheme, seed }, trainer) => {
          begun.push(`${scheme} ${seed}`)
          switches.push(torch.areDeterministicAlgorithmsEnabled())
          trainer.on('batchEnd', ({ step }) => {
            if (scheme === 'sgd+sos' && step === 2) controller.abort()
          })
        },
      })
    expect(await run(controller.signal)).toBe(false)
    expect(existsSync(join(out, 'sgd-seed3', 'model.pt'))).toBe(true)
    expect(existsSync(join(out, 'sgd+sos-seed3', 'model.pt'))).toBe(false)
    expect(await run()).toBe(true)
    expect(begun).toEqual(['sgd 3', 'sgd+sos 3', 'sgd+sos 3'])
    expect(await run()).toBe(true)
    expect(begun).toHaveLength(3)
    expect(switches).toEqual([true, true, true])
    expect(torch.areDeterministicAlgorithmsEnabled()).toBe(before)
    expect(readdirSync(join(out, 'sgd-seed3')).some((name) => name.endsWith('.lock'))).toBe(false)

    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(folder, 'train', preprocessOf(model))
    const optimizer = sgd({ learningRate: 0.01 })
    await new Trainer(model, { data: train, epochs: 2, batchSize: 8, seed: 3, optimizer }).run()
    const trained = await ScriptModule.load(join(out, 'sgd-seed3', 'model.pt'))
    for (const [name, tensor] of model.stateDict()) {
      expect([name, trained.stateDict().get(name)!.equal(tensor)]).toEqual([name, true])
    }
    const events = async (name: string) =>
      (await readRunRecord(join(out, name, 'run.jsonl'))).map(({ event }) => event).join(' ')
    expect(await events('sgd-seed3')).toBe('run evaluation epoch evaluation epoch')
    expect((await events('sgd+sos-seed3')).match(/shift/g)).toHaveLength(2)
    const [first] = await readRunRecord(join(out, 'sgd-seed3', 'run.jsonl'))
    expect(first).toMatchObject({ about: { scheme: 'sgd', seed: 3, config: { epochs: 2, batchSize: 8 } } })
  })

  it.each([true, false])('trains in channels-last if it is to: %s', async (channelsLast) => {
    const strides: (readonly number[])[] = []
    const controller = new AbortController()
    await runExperiment(
      { ...config, channelsLast },
      {
        schemes: ['sgd'],
        seeds: 1,
        out: join(temporaryFolder(), 'out'),
        signal: controller.signal,
        onRun: (_, { model }) => {
          const weights = model.parameters().filter(({ shape }) => shape.length === 4 && shape[1]! > 1)
          for (const { shape, stride } of weights.map((one) => ({
            shape: one.shape,
            stride: one.stride(),
          }))) {
            const [, channels, height, width] = shape as [number, number, number, number]
            const innermost = channelsLast ? [1, width * channels, channels] : [height * width, width, 1]
            strides.push(stride.slice(1))
            expect(stride.slice(1)).toEqual(innermost)
          }
          controller.abort()
        },
      },
    )
    expect(strides.length).toBeGreaterThan(0)
  })

  it('that failed before it began leaves its folder to a corrected configuration', async () => {
    const out = join(temporaryFolder(), 'out')
    const options = { schemes: ['sgd'] as const, seeds: 1, out }
    const missing = runExperiment({ ...config, model: join(folder, 'no.pt') }, options)
    await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    const plain = join(temporaryFolder(), 'plain.pt')
    await (await ScriptModule.load(demoModel)).save(plain, { extraFiles: { 'sos.json': '' } })
    const unknown = runExperiment({ ...config, model: plain }, options)
    await expect(unknown).rejects.toMatchObject({
      code: 'ERR_NO_PREPROCESS',
      message: expect.stringMatching(/plain\.pt.*no sos\.json; save the model with one.*extraFiles/),
    })
    mkdirSync(join(out, 'temporary-of-another', 'inside'), { recursive: true })
    expect(await runExperiment({ ...config, epochs: 1 }, options)).toBe(true)
    const late = runExperiment(config, options)
    await expect(late).rejects.toThrow('epochs was 1 and is 2')
  })

  it('refuses to shift by more samples than there are before it trains', async () => {
    const out = join(temporaryFolder(), 'out')
    const sos = { ...config.sos, batchSize: 25, startEpoch: 1 }
    const refused = runExperiment({ ...config, sos }, { schemes: ['sgd+sos'], seeds: 1, out })
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_BATCH_SIZE',
      message: expect.stringMatching(/at most 24 samples to shift by.*received 25.*"sos": \{ "batchSize"/),
    })
    expect(readdirSync(join(out, 'sgd+sos-seed3'))).toEqual([])
  })

  it('refuses a folder of another configuration, and what is no trained model', async () => {
    const out = join(temporaryFolder(), 'out')
    const aborted = { signal: AbortSignal.abort(new Error('enough')) }
    const options = { schemes: ['sgd'] as const, seeds: 1, out, ...aborted }
    expect(await runExperiment(config, options)).toBe(false)
    const other = { ...config, batchSize: 6 }
    const refused = runExperiment(other, options)
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(refused).rejects.toThrow('batchSize was 8 and is 6')
    writeFileSync(join(out, 'sgd-seed3', 'model.pt'), 'half a mod')
    await expect(runExperiment(config, options)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(runExperiment(config, options)).rejects.toThrow('expected the run')
    writeFileSync(join(out, 'config.json'), '{')
    await expect(runExperiment(config, options)).rejects.toThrow('expected JSON')
    await expect(
      runExperiment(config, { ...options, out: join(out, 'config.json', 'x') }),
    ).rejects.toMatchObject({ code: 'ERR_OUTPUT' })
  })
})
