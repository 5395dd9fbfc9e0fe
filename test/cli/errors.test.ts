import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { sos } from '../support/cli.js'
import { dataRoot, demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'

const folder = temporaryFolder()
const train = `idx:${fashionMnist}:train`
const out = join(folder, 'never.pt')

const bad = join(folder, 'bad')
mkdirSync(join(bad, 'a'), { recursive: true })
writeFileSync(join(bad, 'a', 'broken.jpg'), 'no image')
writeFileSync(join(folder, 'truncated.pt'), readFileSync(demoModel).subarray(0, 50_000))

const labels = join(folder, 'labels')
for (let i = 0; i < 12; i++) {
  const place = join(labels, `class${String(i).padStart(2, '0')}`)
  mkdirSync(place, { recursive: true })
  cpSync(new URL('../fixtures/grey.png', import.meta.url), join(place, 'image.png'))
}

const shift = (...more: string[]) => ['shift', demoModel, '--data', train, '--out', out, ...more]

describe('bad input ends with one line, exit code 1 and nothing written:', () => {
  it.each<[string, string[], string]>([
    ['a missing model', ['eval', join(folder, 'none.pt'), '--data', train], 'no such file'],
    ['a missing configuration', ['train', join(folder, 'none.json')], 'none.json: cannot be read'],
    ['a missing model to inspect', ['inspect', join(folder, 'none.pt')], 'no such file'],
    [
      'a missing model to compare with',
      ['sharpness', demoModel, '--compare', join(folder, 'none.pt'), '--data', train],
      'no such file',
    ],
    [
      'a missing list of classes',
      ['eval', demoModel, '--data', train, '--classes', join(folder, 'none.txt')],
      'none.txt: expected a file',
    ],
    ['a missing file of CIFAR', ['eval', demoModel, '--data', `cifar10:${folder}/none.bin`], 'none.bin'],
    ['a truncated model', ['eval', join(folder, 'truncated.pt'), '--data', train], 'truncated or damaged'],
    ['a foreign file', ['inspect', `${fashionMnist}/README.md`], 'not a zip archive'],
    ['a missing dataset', ['eval', demoModel, '--data', `idx:${folder}:train`], 'no such file'],
    [
      'a missing folder',
      ['eval', fixture('resnet18.scripted.pt'), '--data', 'imagefolder:/none'],
      'there is no such folder',
    ],
    [
      'a corrupt image',
      ['eval', fixture('resnet18.scripted.pt'), '--data', `imagefolder:${bad}`],
      'a/broken.jpg',
    ],
    ['a layer that does not exist', shift('--layer', 'fd'), "did you mean 'fc'"],
    ['a layer that is not linear', shift('--layer', 'layer4.bn1'), 'the linear layers of this model: fc'],
    ['a batch larger than the dataset', shift('--batch-size', '10001'), 'at most 10000 samples'],
    [
      'a frozen module',
      ['shift', fixture('resnet18.frozen.pt'), '--data', `imagefolder:${labels}`, '--out', out],
      'export the model again',
    ],
    [
      'labels beyond the classes',
      ['eval', fixture('resnet18.scripted.pt'), '--data', `imagefolder:${labels}`],
      '10 outputs',
    ],
    [
      "classes that are not the model's",
      ['eval', demoModel, '--data', `imagefolder:${labels}`],
      'there is no class00',
    ],
    [
      'an output folder that is missing',
      ['shift', demoModel, '--data', train, '--out', join(folder, 'no', 'x.pt')],
      'does not exist',
    ],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await sos(...args)
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({
      code: 1,
      stdout: '',
      lines: 1,
    })
    expect(stderr).toMatch(/^sos: /)
    expect(stderr).toContain(message)
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it.skipIf(dataRoot === undefined)('files that are often taken for TorchScript', async () => {
    for (const name of readdirSync(`${dataRoot}/torchscript/refused`)) {
      const { code, stderr } = await sos('inspect', `${dataRoot}/torchscript/refused/${name}`)
      expect([name, code, stderr.trim().split('\n').length]).toEqual([name, 1, 1])
    }
  })
})

describe('wrong use ends with exit code 2:', () => {
  it.each<[string, string[], string]>([
    ['an unknown command', ['shft'], 'Did you mean shift'],
    ['an unknown option', ['eval', demoModel, '--data', train, '--limt', '3'], 'Did you mean --limit'],
    ['a missing option', ['eval', demoModel], "required option '--data"],
    ['an invalid number', ['eval', demoModel, '--data', train, '--limit', 'many'], 'whole number'],
    ['a malformed dataset', ['eval', demoModel, '--data', 'train'], 'expected a dataset in the form'],
    ['an unknown preset', ['eval', demoModel, '--data', train, '--preset', 'resnet5'], 'resnet50'],
    [
      'invalid numbers',
      ['eval', demoModel, '--data', train, '--mean', '0.5,x'],
      'numbers separated by commas',
    ],
    ['an invalid size', ['eval', demoModel, '--data', train, '--crop', '0'], 'whole number of at least 1'],
    [
      'three means for one channel',
      ['eval', demoModel, '--data', train, '--mean', '0,0,0'],
      'one number in mean and std for each channel',
    ],
    ['an unknown sampling', shift('--sampling', 'random'), 'stratified'],
    ['a malformed device', ['eval', demoModel, '--data', train, '--device', 'nowhere'], 'expected a device'],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await sos(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})
