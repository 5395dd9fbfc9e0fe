import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule, shiftOptimum } from '../../src/index.js'
import { compareLandscapes, lossLine } from '../../src/sharpness/index.js'
import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'

const shifted = join(temporaryFolder(), 'shifted.pt')
const data = ['--data', `idx:${fashionMnist}:train`, '--samples', '16']

const load = async () => {
  const models = [await ScriptModule.load(demoModel), await ScriptModule.load(shifted)] as const
  return [...models, await idxFolder(fashionMnist, 'train', preprocessOf(models[0]))] as const
}

beforeAll(async () => {
  const model = await ScriptModule.load(demoModel)
  const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
  await shiftOptimum(model, train, { batchSize: 30 })
  await model.save(shifted)
})

describe('sos landscape', () => {
  it('prints what it found, and writes the report with the same document', async () => {
    const report = join(temporaryFolder(), 'report')
    const args = ['--compare', shifted, ...data, '--grid', '3', '--seed', '2', '--range', '0.5']
    const { code, stdout } = await sos('landscape', demoModel, ...args, '--report', report, '--json')
    expect(code).toBe(0)
    const document = JSON.parse(stdout)
    expect(readdirSync(report).sort()).toEqual(['index.html', 'landscape.json'])
    expect(JSON.parse(readFileSync(join(report, 'landscape.json'), 'utf8'))).toEqual(document)
    const [model, other, train] = await load()
    const found = await compareLandscapes(model, other, train, { grid: 3, range: 0.5, seed: 2, samples: 16 })
    expect(document).toMatchObject({
      ...{ version: 1, model: demoModel, x: [-0.5, 0, 0.5], y: [-0.5, 0, 0.5] },
      ...{ normalize: 'filter', ignore: 'biasbn', seed: 2, samples: 16 },
      compare: { model: shifted, sharedFeatures: true },
    })
    const close = (rows: readonly (readonly (number | null)[])[]) =>
      rows.map((row) => row.map((value) => expect.closeTo(value!, 4)))
    expect(document.loss).toEqual(close(found.surfaces[0]!.loss))
    expect(document.compare.loss).toEqual(close(found.surfaces[1]!.loss))
    expect(document.accuracy).toEqual(found.surfaces[0]!.accuracy)
  })

  it('says in sentences what a plane of one model shows', async () => {
    const { code, stdout } = await sos('landscape', demoModel, ...data, '--grid', '2', '--ignore', 'none')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^- At its own weights fashion-resnet.pt has a loss of 0\.\d+ and a top-1/m)
    expect(stdout).toMatch(/^- Two random directions/m)
  })

  it('measures the line between two models', async () => {
    const args = ['--between', shifted, ...data, '--grid', '5']
    const { code, stdout } = await sos('landscape', demoModel, ...args, '--json')
    expect(code).toBe(0)
    const [model, other, train] = await load()
    const { t, loss } = await lossLine(model, other, train, { points: 5, samples: 16 })
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ version: 1, model: demoModel, between: shifted, t, sharedFeatures: true, seed: 0 },
      loss: loss.map((value) => expect.closeTo(value!, 6)),
    })
    const printed = await sos('landscape', demoModel, ...args)
    expect(printed.stdout).toContain('The loss is then convex on this line.')
  })

  it.each([
    [['--grid', '0'], 'whole number from 1 to 1001', 2],
    [['--range', 'wide'], 'Expected a number of at least 0', 2],
    [['--range', '0'], 'a finite number above 0', 1],
    [['--normalize', 'batch'], 'Allowed choices are filter, layer, none', 2],
    [['--between', shifted, '--compare', shifted], 'cannot be used with', 2],
    [['--between', shifted, '--grid', '1'], 'expected --grid of at least 2', 2],
    [['--compare', fixture('mlp.scripted.pt')], 'of the same architecture', 1],
    [['--compare', 'nowhere.pt'], 'nowhere.pt', 1],
    [['--report', '/dev/null/x'], 'cannot be created', 1],
  ])('refuses %j', async (args, message, expected) => {
    const { code, stderr, stdout } = await sos('landscape', demoModel, ...data, ...args)
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toContain(message)
  })
})
