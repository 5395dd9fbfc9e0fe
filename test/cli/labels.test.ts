import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointRecord, ScriptModule } from '../../src/index.js'

import { sos } from '../support/cli.js'
import { animals, coloursModel, folderWith } from '../support/colours.js'
import { temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await sos(...args, '--json')
  expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' })
  return { document: JSON.parse(stdout), stderr }
}
/** A refusal in one line, with exit code 1. */
const refusal = async (...args: string[]) => {
  const { code, stdout, stderr } = await sos(...args)
  expect([code, stdout, stderr.trim().split('\n').length]).toEqual([1, '', 1])
  return stderr
}
const place = (name: string) => animals.indexOf(name)
const four = Object.fromEntries(['lynx', 'dog', 'bee', 'gnu'].map((name) => [`${name}/1.png`, place(name)]))
const images = (names: readonly string[], each = 2) =>
  Object.fromEntries(
    names.flatMap((name) => Array.from({ length: each }, (_, i) => [`${name}/${i}.png`, place(name)])),
  )

describe('labels on the command line', () => {
  it("are outputs by the checkpoint's classes, or by those of --classes", async () => {
    const data = `imagefolder:${await folderWith(four)}`
    const known = await coloursModel(12, animals)
    const reversed = await coloursModel(12, [...animals].reverse())
    const { document } = await json('eval', known, reversed, '--data', data, '--per-class')
    expect(document[0]).toMatchObject({ top1: 100, images: 4, warnings: [] })
    expect(document[1]).toMatchObject({ top1: 0, mcnemar: { onlyFirst: 4, onlySecond: 0 } })
    expect(document[0].perClass[place('gnu')]).toEqual({ name: 'gnu', images: 1, top1: 100 })
    const table = await sos('eval', known, reversed, '--data', data, '--per-class')
    expect(table.stdout).toMatch(/^imagefolder:/)
    expect(table.stdout).toMatch(/\ngnu +1 +100\.00 % +0\.00 %\n/)
    expect(table.stdout).not.toContain('ant ')

    const plain = await coloursModel(12, null)
    const unmapped = await json('eval', plain, '--data', data)
    expect(unmapped.document[0].warnings).toEqual([
      expect.stringContaining('has 4 classes (bee, dog, gnu, lynx)'),
    ])
    expect(unmapped.stderr).toContain('[SOS_CLASSES]')
    const list = join(temporaryFolder(), 'outputs.txt')
    writeFileSync(list, animals.join('\n'))
    const told = await json('eval', plain, '--data', data, '--classes', list)
    expect([told.document[0].top1, told.document[0].warnings]).toEqual([100, []])
    expect(told.stderr).not.toContain('SOS_CLASSES')
    expect(await refusal('eval', known, '--data', data, '--classes', 'nowhere.txt')).toContain(
      'there is no such file',
    )
    writeFileSync(list, animals.slice(1).join('\n'))
    expect(await refusal('eval', known, '--data', data, '--classes', list)).toContain(
      '12 classes but received 11',
    )
    const other = `imagefolder:${await folderWith({ ...four, 'zebra/1.png': 1 })}`
    expect(await refusal('eval', known, '--data', other)).toContain('there is no zebra')
  })

  it("are ImageNet's if its synsets are given, or torchvision's names", async () => {
    const data = `imagefolder:${await folderWith({ 'n02102040/1.png': 217, 'n03888257/1.png': 701 })}`
    const { categories } = await reference('imagenet_categories')
    const known = await json('eval', await coloursModel(1000, categories), '--data', data)
    expect(known.document[0]).toMatchObject({ top1: 100, warnings: [] })
    const plain = await coloursModel(1000, null)
    const { document } = await json('eval', plain, '--data', data)
    expect([document[0].top1, document[0].warnings]).toEqual([
      0,
      [expect.stringContaining('--classes imagenet')],
    ])
    const told = await json('eval', plain, '--data', data, '--classes', 'imagenet')
    expect(told.document[0]).toMatchObject({ top1: 100, warnings: [] })
  })

  it('of other classes are refused by shift, study and sharpness', async () => {
    const plain = await coloursModel(12, null)
    const known = await coloursModel(12, animals)
    const data = `imagefolder:${await folderWith(four)}`
    const zebra = `imagefolder:${await folderWith({ ...four, 'zebra/1.png': 1 })}`
    const out = join(temporaryFolder(), 'out.pt')
    for (const [model, spec, message] of [
      [plain, data, 'has 4 classes (bee, dog, gnu, lynx) but'],
      [known, zebra, 'there is no zebra'],
    ] as const) {
      expect(await refusal('shift', model, '--data', spec, '--out', out)).toContain(message)
      expect(await refusal('sharpness', model, '--data', spec, '--probes', '2')).toContain(message)
      const study = ['study', model, '--train', spec, '--val', spec, '--batch-sizes', '2', '--draws', '1']
      expect(await refusal(...study)).toContain(message)
    }
    const list = join(temporaryFolder(), 'outputs.txt')
    writeFileSync(list, animals.join('\n'))
    const shift = ['shift', plain, '--data', data, '--batch-size', '2', '--held-out', '0', '--classes', list]
    const { document } = await json(...shift, '--out', out)
    expect(document.shifts[0]).toMatchObject({ classes: 12, classesCovered: 2 })
    expect(checkpointRecord(await ScriptModule.load(out))?.classes).toEqual(animals)
  })

  it('of the validation images are those of the training images in a study', async () => {
    const plain = await coloursModel(12, null)
    const train = `imagefolder:${await folderWith(images(animals))}`
    const study = async (val: Record<string, number>) => [
      ...['study', plain, '--train', train, '--val', `imagefolder:${await folderWith(val)}`],
      ...['--batch-sizes', '2', '--draws', '1'],
    ]
    const part = await json(...(await study(images(['cat', 'lynx']))))
    expect(part.document.before.top1).toBe(100)
    const other = await study({ ...images(animals.slice(1)), 'ape/1.png': 0 })
    expect(await refusal(...other)).toContain('there is no ape')
  })

  it('of the test images are those of the training images in a training, which notes its classes', async () => {
    const model = await coloursModel(12, null)
    const train = `imagefolder:${await folderWith(images(animals))}`
    const folder = temporaryFolder()
    const run = async (name: string, settings: object) => {
      const config = join(folder, `${name}.json`)
      const optimizer = { name: 'sgd', learningRate: 1e-9 }
      writeFileSync(config, JSON.stringify({ model, train, epochs: 1, batchSize: 8, optimizer, ...settings }))
      return ['train', config, '--scheme', 'sgd', '--out', join(folder, name)]
    }
    const some = images(['lynx', 'cat'])
    const test = `imagefolder:${await folderWith(some)}`
    const { stdout } = await sos(...(await run('good', { test })))
    expect(stdout).toMatch(/test 100\.00 %/)
    const trained = join(folder, 'good/sgd-seed0/model.pt')
    expect(checkpointRecord(await ScriptModule.load(trained))?.classes).toEqual(animals)
    expect((await json('eval', trained, '--data', test)).document[0]).toMatchObject({
      top1: 100,
      warnings: [],
    })

    const ape = `imagefolder:${await folderWith({ ...some, 'ape/1.png': 0 })}`
    expect(await refusal(...(await run('test', { test: ape })))).toContain('there is no ape')
    expect(await refusal(...(await run('train', { train: test })))).toContain('has 2 classes (cat, lynx) but')
    const known = await coloursModel(12, animals)
    expect(await refusal(...(await run('model', { model: known, train: ape })))).toContain('there is no ape')
  })
})
