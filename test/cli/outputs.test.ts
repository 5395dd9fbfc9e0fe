import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule, saveShifted, shiftOptimum } from '../../src/index.js'

import { sos } from '../support/cli.js'
import { canMount, sosOnDisk } from '../support/full-disk.js'
import { demoModel, fashionMnist, fixture, root, temporaryFolder } from '../support/paths.js'
import { pythonPath } from '../support/python.js'

const folder = temporaryFolder()
const model = join(folder, 'model.pt')
copyFileSync(demoModel, model)
const bytes = readFileSync(model)
const train = `idx:${fashionMnist}:train`
const test = `idx:${fashionMnist}:test`
const small = ['--batch-size', '20', '--held-out', '10']

describe('what is read is not written over', () => {
  symlinkSync(model, join(folder, 'link.pt'))
  linkSync(model, join(folder, 'hard.pt'))
  symlinkSync(folder, join(folder, 'folder'))
  mkdirSync(join(folder, 'images'))

  it.each([
    ['its own name', model],
    ['a relative path', relative(process.cwd(), model)],
    ['a path with detours', `${folder}/images/.././model.pt`],
    ['a link', join(folder, 'link.pt')],
    ['a hard link', join(folder, 'hard.pt')],
    ['a link to its folder', join(folder, 'folder', 'model.pt')],
  ])('by sos shift --out of %s', async (_, out) => {
    const { code, stdout, stderr } = await sos('shift', model, '--data', train, '--out', out, ...small)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^sos: .*expected an output that is not one of the inputs .*\n$/)
    expect(readFileSync(model).equals(bytes)).toBe(true)
  })

  it('by sos shift --out of an image of the dataset, nor of a link to it from elsewhere', async () => {
    const images = join(folder, 'images')
    mkdirSync(join(images, 'a'), { recursive: true })
    const image = join(images, 'a', 'x.png')
    copyFileSync(new URL('../fixtures/grey.png', import.meta.url), image)
    symlinkSync(image, join(folder, 'elsewhere.png'))
    for (const out of [image, join(folder, 'elsewhere.png')]) {
      const args = ['shift', fixture('resnet18.scripted.pt'), '--data', `imagefolder:${images}`, '--out', out]
      expect(await sos(...args)).toMatchObject({ code: 2, stdout: '' })
    }
    expect(readFileSync(image)).toEqual(readFileSync(new URL('../fixtures/grey.png', import.meta.url)))
  })

  it('by the report of a study, nor by the record of an evaluation', async () => {
    const report = join(folder, 'report')
    mkdirSync(report)
    linkSync(model, join(report, 'study.json'))
    const study = ['study', model, '--train', train, '--val', test, '--batch-sizes', '10', '--report', report]
    expect(await sos(...study)).toMatchObject({ code: 2, stdout: '' })

    const note = join(folder, 'note.txt')
    writeFileSync(note, 'a text without an end of line')
    for (const [flag, file] of [
      ['--record', model],
      ['--resume', model],
      ['--resume', note],
    ] as const) {
      const { code, stderr } = await sos('eval', model, '--data', test, '--limit', '10', flag, file)
      expect([flag, code, stderr.trim().split('\n').length]).toEqual([flag, 1, 1])
    }
    expect(readFileSync(note, 'utf8')).toBe('a text without an end of line')
    expect(readFileSync(model).equals(bytes)).toBe(true)
  })

  it('by saveShifted', async () => {
    const loaded = await ScriptModule.load(model)
    const preprocess = preprocessOf(loaded)
    const data = await idxFolder(fashionMnist, 'test', preprocess)
    const shift = await shiftOptimum(loaded, data, { batchSize: 20 })
    const from = { dataset: data.name, preprocess }
    for (const out of [model, join(folder, 'hard.pt'), join(folder, 'link.pt')]) {
      await expect(saveShifted(loaded, out, shift, from)).rejects.toMatchObject({ code: 'ERR_SAME_FILE' })
    }
    expect(readFileSync(model).equals(bytes)).toBe(true)
  })

  it('by the model of a run', async () => {
    const out = join(folder, 'runs')
    const place = join(out, 'sgd-seed0', 'model.pt')
    mkdirSync(join(out, 'sgd-seed0'), { recursive: true })
    linkSync(model, place)
    const config = join(folder, 'config.json')
    const settings = { preset: 'cpu-small', train, model }
    writeFileSync(config, JSON.stringify(settings))
    const result = await sos('train', config, '--scheme', 'sgd', '--out', out)
    expect(result).toMatchObject({ code: 2, stdout: '' })
    const asReport = join(out, 'report.json')
    writeFileSync(asReport, JSON.stringify(settings))
    rmSync(place)
    expect(await sos('train', asReport, '--scheme', 'sgd', '--out', out)).toMatchObject({
      code: 2,
      stdout: '',
    })
    expect(JSON.parse(readFileSync(asReport, 'utf8'))).toEqual(settings)
  })

  it('a folder is no place for a file', async () => {
    const out = join(folder, 'taken')
    mkdirSync(out)
    const result = await sos('shift', model, '--data', train, '--out', out, ...small)
    expect(result).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('there is a folder at this path'),
    })
    expect(readdirSync(out)).toEqual([])
  })
})

describe.runIf(canMount)('a disk that is full', () => {
  it('loses no study: it is printed, and kept elsewhere', async () => {
    const disk = join(folder, 'disk')
    const args = [
      'study',
      model,
      '--train',
      train,
      '--val',
      test,
      '--limit-val',
      '50',
      '--batch-sizes',
      '10,20',
    ]
    const { code, stdout, stderr, left } = await sosOnDisk(
      '16k',
      disk,
      ...args,
      '--controls',
      '--report',
      disk,
    )
    expect(code).toBe(1)
    expect(stdout).toContain('top-1')
    const found =
      /^sos: (\S+): cannot be written: ENOSPC: no space left on device; the study is kept in (\S+)\n$/m.exec(
        stderr,
      )
    expect(found?.[1], stderr).toMatch(new RegExp(`^${disk}/(study.json|index.html)$`))
    const study = JSON.parse(readFileSync(found![2]!, 'utf8'))
    expect(study.rows).toHaveLength(10)
    rmSync(found![2]!)
    expect(left).toEqual([])
  })

  it('leaves no part of a model, and the error names its path', async () => {
    const disk = join(folder, 'disk')
    const out = join(disk, 'shifted.pt')
    const { code, stdout, stderr, left } = await sosOnDisk(
      '64k',
      disk,
      'shift',
      model,
      '--data',
      train,
      '--out',
      out,
      ...small,
    )
    expect([code, left]).toEqual([1, []])
    expect(stdout).toContain('‖V‖')
    expect(stderr).toContain(`sos: ${out}: cannot be written: No space left on device\n`)
  })
})

it('a report that cannot be written ends no training', async () => {
  const out = join(folder, 'experiment')
  mkdirSync(join(out, 'report.html'), { recursive: true })
  const initial = join(folder, 'lenet.pt')
  execFileSync(pythonPath(), [
    `${root}/scripts/export/export_cifar.py`,
    'lenet',
    '--classes',
    '10',
    '--out',
    initial,
  ])
  const images = join(folder, 'train.bin')
  writeFileSync(
    images,
    Uint8Array.from({ length: 40 * 3073 }, (_, i) => (i % 3073 === 0 ? (i / 3073) % 10 : i % 251)),
  )
  const config = join(folder, 'training.json')
  const settings = { preset: 'paper', model: initial, train: `cifar10:${images}`, epochs: 3, batchSize: 20 }
  writeFileSync(
    config,
    JSON.stringify({ ...settings, optimizer: { learningRate: 0.01 }, sos: { batchSize: 20 } }),
  )
  const { code, stdout, stderr } = await sos('train', config, '--out', out)
  expect(code).toBe(1)
  expect(stderr.match(/the report cannot be written; the training continues/g)).toHaveLength(1)
  expect(stderr).toMatch(/sos: \S+report\.html: cannot be written: E\w+/)
  expect(stdout).toContain('epoch 3/3')
  expect(stdout).toContain('runs finished')
  expect(existsSync(join(out, 'sgd+sos-seed0', 'model.pt'))).toBe(true)
  expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([])
})
