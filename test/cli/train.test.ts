import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule } from '../../src/index.js'
import { readRunRecord } from '../../src/train/index.js'

import { sos } from '../support/cli.js'
import { root, temporaryFolder } from '../support/paths.js'
import { pythonPath } from '../support/python.js'

const folder = temporaryFolder()

/** A file of CIFAR-10 whose classes differ in their brightness, with noise. */
function writeImages(name: string, count: number): string {
  const bytes = new Uint8Array(count * 3073)
  let state = 7
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const record = Math.floor(i / 3073)
    bytes[i] = i % 3073 === 0 ? record % 10 : 20 * (record % 10) + (state >>> 27)
  }
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return `cifar10:${path}`
}

function writeConfig(name: string, settings: Record<string, unknown>): string {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(settings))
  return path
}

let settings: Record<string, unknown>

beforeAll(async () => {
  for (const seed of [0, 1]) {
    const out = ['--seed', String(seed), '--out', join(folder, `lenet.${seed}.pt`)]
    await promisify(execFile)(pythonPath(), [
      `${root}/scripts/export/export_cifar.py`,
      'lenet',
      '--classes',
      '10',
      ...out,
    ])
  }
  settings = {
    preset: 'paper',
    model: join(folder, 'lenet.{seed}.pt'),
    train: writeImages('train.bin', 200),
    test: writeImages('test.bin', 50),
    epochs: 3,
    batchSize: 20,
    optimizer: { learningRate: 0.02 },
    sos: { batchSize: 30, heldOut: 20 },
    probes: { samples: 40, probes: 4 },
  }
}, 120_000)

describe('sos train', () => {
  it('trains four schemes by two seeds, reports, and does nothing twice', async () => {
    const config = writeConfig('grid.json', settings)
    const out = join(folder, 'grid')
    const { code, stdout, stderr } = await sos('train', config, '--grid', '--seeds', '2', '--out', out)
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(
      /^run 1 of 8, sgd, seed 0, epoch 1\/3: loss [\d.]+, train [\d.]+ %, test [\d.]+ %, tr\(H\) .*, [\d.]+ s, \d+ (s|min) left for all$/m,
    )
    expect(stdout).toMatch(/^run 8 of 8, sam\+sos, seed 1, epoch 2\/3: .* left for all$/m)
    expect(stdout).toMatch(/^run 8 of 8, sam\+sos, seed 1, epoch 3\/3: .*‖V‖ [\d.]+ → [\d.]+, .* s$/m)
    const runs = ['sam', 'sam+sos', 'sgd', 'sgd+sos'].flatMap((scheme) => [
      `${scheme}-seed0`,
      `${scheme}-seed1`,
    ])
    expect(readdirSync(out).sort()).toEqual([...runs, 'config.json', 'report.html', 'report.json'].sort())
    for (const run of runs) {
      const lines = await readRunRecord(join(out, run, 'run.jsonl'))
      const shifts = lines.filter(({ event }) => event === 'shift')
      expect(shifts).toHaveLength(run.includes('sos') ? 3 : 0)
      for (const event of ['evaluation', 'probe', 'epoch']) {
        expect(lines.filter((line) => line.event === event)).toHaveLength(3)
      }
      expect(readdirSync(join(out, run))).toHaveLength(4)
    }
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
    expect(
      report.schemes.map(({ scheme, finished }: { scheme: string; finished: number }) => [scheme, finished]),
    ).toEqual(['sgd', 'sgd+sos', 'sam', 'sam+sos'].map((scheme) => [scheme, 2]))
    expect(stdout).toContain('runs finished')

    const trained = await ScriptModule.load(join(out, 'sgd-seed0', 'model.pt'))
    expect(trained.extraFiles['sos.json']).toContain('mean')
    const before = readFileSync(join(out, 'sgd-seed0', 'run.jsonl'), 'utf8')
    const again = await sos('train', config, '--grid', '--seeds', '2', '--out', out, '--json')
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toEqual(report)
    expect(readFileSync(join(out, 'sgd-seed0', 'run.jsonl'), 'utf8')).toBe(before)
  })

  it('ends at Ctrl-C with a checkpoint, and continues to the same weights', async () => {
    const long = { ...settings, epochs: 12, probes: null, test: undefined }
    const config = writeConfig('long.json', long)
    const [through, stopped] = [join(folder, 'through'), join(folder, 'stopped')]
    expect((await sos('train', config, '--out', through)).code).toBe(0)
    const args = ['train', config, '--out', stopped, '--scheme', 'sgd+sos', '--seeds=1']
    const child = spawn(process.execPath, [`${root}/dist/cli/main.js`, ...args])
    let [told, complaint] = ['', '']
    child.stderr.on('data', (data) => {
      complaint += data
    })
    child.stdout.on('data', (data) => {
      told += data
      if (told.includes('epoch 2/12')) child.kill('SIGINT')
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code, complaint).toBe(130)
    expect(complaint).toContain(`The same command continues: ${['sos', ...args].join(' ')}\n`)
    const run = join(stopped, 'sgd+sos-seed0')
    expect(existsSync(join(run, 'model.pt'))).toBe(false)
    const rest = await sos('train', config, '--out', stopped)
    expect(rest.code, rest.stderr).toBe(0)
    expect(rest.stdout).toContain('continues in epoch')
    const weights = async (out: string) => {
      const model = await ScriptModule.load(join(out, 'sgd+sos-seed0', 'model.pt'))
      return [...model.stateDict().values()].map((tensor) => tensor.toArray())
    }
    expect(await weights(stopped)).toEqual(await weights(through))
  })

  it.each([
    [{ epoch: 3 }, 'epoch is not a setting; did you mean epochs?', 2],
    [{ train: 'cifar10:nowhere:train' }, 'nowhere', 1],
    [{ model: 'nowhere.pt' }, 'nowhere.pt', 1],
  ])('refuses %j', async (change, message, code) => {
    const config = writeConfig('wrong.json', { ...settings, ...change })
    const result = await sos('train', config, '--out', join(folder, `wrong-${code}-${message.length}`))
    expect([result.code, result.stdout]).toEqual([code, ''])
    expect(result.stderr).toContain(message)
  })

  it('refuses --grid with --scheme', async () => {
    const config = writeConfig('both.json', settings)
    for (const options of [
      ['--grid', '--scheme', 'sam'],
      ['--scheme=sgd+sos', '--grid'],
    ]) {
      const { code, stderr } = await sos('train', config, ...options)
      expect([code, stderr]).toEqual([2, expect.stringContaining("cannot be used with option '--scheme")])
    }
  })

  it('refuses what is no JSON, and a folder of another experiment', async () => {
    const path = join(folder, 'no.json')
    writeFileSync(path, '{')
    expect(await sos('train', path)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected JSON'),
    })
    writeFileSync(join(folder, 'config.json'), '{')
    const whole = writeConfig('whole.json', settings)
    expect(await sos('train', whole, '--out', folder)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('config.json: expected JSON'),
    })
    // A file that is no configuration of a training is somebody's own: it stays as it is.
    const own = join(folder, 'own')
    mkdirSync(own)
    writeFileSync(join(own, 'config.json'), '{ "mine": true }')
    expect(await sos('train', whole, '--out', own)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('another configuration'),
    })
    expect(readFileSync(join(own, 'config.json'), 'utf8')).toBe('{ "mine": true }')
    const config = writeConfig('other.json', { ...settings, epochs: 4 })
    const result = await sos('train', config, '--out', join(folder, 'grid'))
    expect(result.code).toBe(2)
    expect(result.stderr).toContain('another configuration: epochs was 3 and is 4')
  })
})
