import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { readRunRecord } from '../../src/train/index.js'

import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, root, temporaryFolder } from '../support/paths.js'
import { pythonPath } from '../support/python.js'

const folder = temporaryFolder()
const config = join(folder, 'config.json')
const start = (...args: string[]) => spawn(process.execPath, [`${root}/dist/cli/main.js`, ...args])

beforeAll(() => {
  const model = join(folder, 'lenet.pt')
  execFileSync(pythonPath(), [
    `${root}/scripts/export/export_cifar.py`,
    'lenet',
    '--classes',
    '10',
    '--out',
    model,
  ])
  const images = join(folder, 'train.bin')
  writeFileSync(
    images,
    Uint8Array.from({ length: 60 * 3073 }, (_, i) => (i % 3073 === 0 ? (i / 3073) % 10 : i % 251)),
  )
  const settings = {
    preset: 'paper',
    model,
    train: `cifar10:${images}`,
    epochs: 400,
    batchSize: 20,
    sos: { batchSize: 20 },
  }
  writeFileSync(config, JSON.stringify({ ...settings, optimizer: { learningRate: 0.001 } }))
}, 120_000)

describe('two sos train in one folder', () => {
  it('the second is refused at once, whichever of their runs they share; the first is not disturbed', async () => {
    const out = join(folder, 'runs')
    const first = start('train', config, '--grid', '--out', out)
    while (!existsSync(join(out, 'sgd-seed0', 'run.jsonl')) && first.exitCode === null) await sleep(20)
    for (const args of [['--grid'], ['--scheme', 'sam+sos'], ['--scheme', 'sgd', '--seeds', '2']]) {
      const second = await sos('train', config, '--out', out, ...args)
      expect([args, second.code, second.stdout]).toEqual([args, 1, ''])
      expect(second.stderr).toMatch(
        new RegExp(
          `^sos: ${out}/\\S+/model\\.pt: process ${first.pid} on \\S+ has been working on it since .*; wait for that process, or end it\\n$`,
        ),
      )
    }
    expect(first.exitCode).toBeNull()
    first.kill('SIGKILL')
    await once(first, 'close')
    expect(readdirSync(join(out, 'sgd-seed0')).some((name) => name.endsWith('.lock'))).toBe(true)

    // The lock of the killed process is taken over, and its record is continued.
    const next = start('train', config, '--scheme', 'sgd', '--out', out)
    const record = join(out, 'sgd-seed0', 'run.jsonl')
    const before = readFileSync(record, 'utf8').length
    while (readFileSync(record, 'utf8').length <= before + 500 && next.exitCode === null) await sleep(20)
    next.kill('SIGINT')
    const [code] = await once(next, 'close')
    expect(code).toBe(130)
    expect((await readRunRecord(record)).filter(({ event }) => event === 'run')).toHaveLength(1)
    expect(readdirSync(join(out, 'sgd-seed0')).filter((name) => name.endsWith('.lock'))).toEqual([])
  }, 120_000)

  it('a model of no bytes is no finished run', async () => {
    const out = join(folder, 'empty')
    const first = start('train', config, '--scheme', 'sgd', '--out', out)
    while (!existsSync(join(out, 'sgd-seed0', 'run.jsonl')) && first.exitCode === null) await sleep(20)
    first.kill('SIGINT')
    await once(first, 'close')
    const model = join(out, 'sgd-seed0', 'model.pt')
    writeFileSync(model, '')
    for (const bytes of [0, 1000]) {
      if (bytes > 0) writeFileSync(model, readFileSync(demoModel).subarray(0, bytes))
      const { code, stderr } = await sos('train', config, '--scheme', 'sgd', '--out', out)
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining(`${model}: expected the run's trained model`),
      ])
    }
    truncateSync(model, 0)
  }, 60_000)
})

describe('two evaluations with one record', () => {
  it('the second is refused at once, and the first comes to its end', async () => {
    const record = join(folder, 'eval.jsonl')
    const args = ['eval', demoModel, '--data', `idx:${fashionMnist}:test`, '--chunk', '8', '--resume', record]
    const first = start(...args, '--json')
    const done = once(first, 'close')
    while (!existsSync(record) && first.exitCode === null) await sleep(5)
    const second = await sos(...args)
    expect([second.code, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toContain(`${record}: process ${first.pid} on `)
    expect((await done)[0]).toBe(0)
    const again = await sos(...args, '--json')
    expect([again.code, JSON.parse(again.stdout)[0].images]).toEqual([0, 2000])
    expect(existsSync(`${record}.lock`)).toBe(false)
  }, 120_000)
})
