import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointRecord, ScriptModule, torch } from '../../../src/index.js'
import { parseConfig, readRunRecord, runExperiment, type TrainingConfig } from '../../../src/train/index.js'

import { demoModel, fashionMnist, temporaryFolder } from '../../support/paths.js'

/** A folder of 12 images of stripes in three classes, in the format of MNIST. */
function stripes(): string {
  const folder = temporaryFolder()
  const numbers = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
    return bytes
  }
  const pixels = Buffer.from(
    Uint8Array.from({ length: 12 * 784 }, (_, i) => ((i % 28) * (1 + ((i / 784) | 0))) % 251),
  )
  const labels = Buffer.from(Uint8Array.from({ length: 12 }, (_, i) => i % 3))
  writeFileSync(join(folder, 'train-images-idx3-ubyte'), Buffer.concat([numbers(0x803, 12, 28, 28), pixels]))
  writeFileSync(join(folder, 'train-labels-idx1-ubyte'), Buffer.concat([numbers(0x801, 12), labels]))
  copyFileSync(`${fashionMnist}/classes.txt`, join(folder, 'classes.txt'))
  return folder
}

const data = stripes()
const configOf = (change: object = {}): TrainingConfig =>
  parseConfig(
    {
      model: demoModel,
      train: `idx:${data}:train`,
      epochs: 1,
      batchSize: 6,
      optimizer: { name: 'sgd', learningRate: 0.01 },
      channelsLast: false,
      ...change,
    },
    'c.json',
  )
const once = (out: string) => ({ schemes: ['sgd'] as const, seeds: 1, out })

describe('the folder of a run', () => {
  it('has the model, its record and its checkpoints; without a test set nothing is evaluated', async () => {
    const out = join(temporaryFolder(), 'a', 'b')
    const devices: string[] = []
    const ran = await runExperiment(
      configOf({ probes: { samples: 6, probes: 0, collapse: false }, checkpoints: { keep: 1 } }),
      {
        ...once(out),
        onRun: (run, trainer) => {
          devices.push(trainer.device)
          expect(run).toEqual({ scheme: 'sgd', seed: 0, folder: join(out, 'sgd-seed0') })
          expect([trainer.seed, trainer.epochs, trainer.data.size]).toEqual([0, 1, 12])
        },
      },
    )
    expect([ran, devices]).toEqual([true, ['cpu']])
    expect(readdirSync(join(out, 'sgd-seed0')).sort()).toEqual([
      'checkpoint-000000002.safetensors',
      'model.pt',
      'run.jsonl',
    ])
    const lines = await readRunRecord(join(out, 'sgd-seed0', 'run.jsonl'))
    expect(lines.map(({ event }) => event)).toEqual(['run', 'probe', 'epoch'])
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual(
      JSON.parse(
        JSON.stringify(
          configOf({ probes: { samples: 6, probes: 0, collapse: false }, checkpoints: { keep: 1 } }),
        ),
      ),
    )
    const trained = await ScriptModule.load(join(out, 'sgd-seed0', 'model.pt'))
    expect(checkpointRecord(trained)).toEqual({
      ...checkpointRecord(await ScriptModule.load(demoModel))!,
      classes: readFileSync(`${fashionMnist}/classes.txt`, 'utf8').trim().split('\n'),
    })
  })

  it('is of the model of its seed', async () => {
    const folder = temporaryFolder()
    for (const seed of [4, 5]) copyFileSync(demoModel, join(folder, `net-${seed}-${seed}.pt`))
    const paths: string[] = []
    await runExperiment(configOf({ model: join(folder, 'net-{seed}-{seed}.pt'), seed: 4 }), {
      ...once(join(folder, 'out')),
      seeds: 2,
      onRun: (_, { model }) => void paths.push(model.path),
    })
    expect(paths).toEqual([join(folder, 'net-4-4.pt'), join(folder, 'net-5-5.pt')])
  })

  it('gives the switch of deterministic algorithms back as it was', async () => {
    const seen: boolean[] = []
    for (const [before, deterministic] of [
      [false, true],
      [true, false],
    ] as const) {
      torch.useDeterministicAlgorithms(before, { warnOnly: !before })
      const warnOnly = torch.isDeterministicAlgorithmsWarnOnlyEnabled()
      await runExperiment(configOf({ deterministic }), {
        ...once(join(temporaryFolder(), 'out')),
        signal: AbortSignal.abort(),
        onRun: () => void seen.push(torch.areDeterministicAlgorithmsEnabled()),
      })
      expect(torch.areDeterministicAlgorithmsEnabled()).toBe(before)
      expect(torch.isDeterministicAlgorithmsWarnOnlyEnabled()).toBe(warnOnly)
    }
    torch.useDeterministicAlgorithms(false)
    expect(seen).toEqual([true, false])
  })

  it('that another takes, or whose model is a folder that cannot be read, is refused before any training', async () => {
    const out = join(temporaryFolder(), 'out')
    const begun: string[] = []
    const inner: unknown[] = []
    await runExperiment(configOf(), {
      ...once(out),
      onRun: (_, trainer) => {
        begun.push('outer')
        trainer.on('epochStart', async () => {
          inner.push(
            await runExperiment(configOf(), { ...once(out), onRun: () => void begun.push('inner') }).catch(
              ({ code }) => code,
            ),
          )
        })
      },
    })
    expect([begun, inner]).toEqual([['outer'], ['ERR_LOCKED']])
    const other = join(temporaryFolder(), 'out')
    mkdirSync(join(other, 'sgd-seed0', 'model.pt'), { recursive: true })
    await expect(runExperiment(configOf(), once(other))).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('model.pt'),
    })
    expect(existsSync(join(other, 'sgd-seed0', 'run.jsonl'))).toBe(false)
    for (const wrong of [{ ...once(other), seeds: 0 }, 5]) {
      await expect(runExperiment(configOf(), wrong as never)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
    }
  })
})
