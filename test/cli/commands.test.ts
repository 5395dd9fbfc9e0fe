import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { sos } from '../support/cli.js'
import { dataRoot, demoModel, fashionMnist, fixture, root, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const folder = temporaryFolder()
const train = `idx:${fashionMnist}:train`
const test = `idx:${fashionMnist}:test`

async function json(...args: string[]) {
  const { code, stdout, stderr } = await sos(...args, '--json')
  expect({ args, code, stderr: stderr.replace(/^.*\d+\/\d+, .*\n/gm, '') }).toEqual({
    args,
    code: 0,
    stderr: '',
  })
  return JSON.parse(stdout)
}

describe('sos', () => {
  it.each([
    [],
    ['eval'],
    ['shift'],
    ['sharpness'],
    ['landscape'],
    ['inspect'],
    ['doctor'],
    ['demo'],
    ['study'],
  ])('%s --help tells how to use it', async (...command) => {
    const { code, stdout } = await sos(...command, '--help')
    expect(code).toBe(0)
    expect(stdout).toContain(`Usage: sos ${command.join('')}`.trim())
    if (command.length > 0) expect(stdout).toContain('--json')
  })

  it('demo writes and prints the whole record', async () => {
    const out = join(folder, 'demo')
    const record = await json('demo', '--out', out)
    expect(record).toEqual(JSON.parse(readFileSync(join(out, 'demo.json'), 'utf8')))
    expect(readdirSync(out).sort()).toEqual(['demo.json', 'fashion-resnet.sos.pt'])
    expect(record.before.top1).toBeGreaterThanOrEqual(90)
    expect(Math.abs(record.after.top1 - record.before.top1)).toBeLessThan(2)
    expect(record.shift.normAfter).toBeLessThan(record.shift.normBefore)
    const { trace, difference } = record.sharpness
    expect(trace).toMatchObject({ samples: 4096, curvedBy: null, withoutGradient: [] })
    expect(difference.trace.by).toBe('heads')
    expect(difference.trace.standardError).toBeGreaterThan(difference.trace.probeStandardError)
    const python = await reference('evaluate', { model: record.after.model, folder: fashionMnist })
    expect(record.after.top1).toBeCloseTo(python.top1, 10)
    expect(record.after.loss).toBeCloseTo(python.loss, 6)
  })

  it('eval takes several models and gives a record for each', async () => {
    const records = await json(
      'eval',
      demoModel,
      demoModel,
      '--data',
      test,
      '--limit',
      '100',
      '--chunk',
      '32',
    )
    expect(records).toHaveLength(2)
    // A limit is spread over the 2000 images.
    const indices = Array.from({ length: 100 }, (_, i) => 20 * i)
    const python = await reference('evaluate', { model: demoModel, folder: fashionMnist, indices })
    expect(records[0]).toEqual({
      model: demoModel,
      top1: expect.closeTo(python.top1, 10),
      top5: expect.closeTo(python.top5, 10),
      loss: expect.closeTo(python.loss, 6),
      calibrationError: expect.closeTo(python.calibrationError, 5),
      images: 100,
      skipped: 0,
      warnings: [],
      perClass: null,
      mcnemar: null,
    })
    expect(records[1]).toEqual({ ...records[0], mcnemar: { onlyFirst: 0, onlySecond: 0, pValue: 1 } })
  })

  it('shift writes a model that eval reads, with the same shift for the same seed', async () => {
    const shift = async (name: string, seed: string) => {
      const { shifts, out } = await json(
        'shift',
        demoModel,
        '--data',
        train,
        '--batch-size',
        '40',
        '--seed',
        seed,
        '--out',
        join(folder, name),
        '--held-out',
        '100',
      )
      return { ...shifts[0], out }
    }
    const [first, same, other] = [
      await shift('a.pt', '1'),
      await shift('b.pt', '1'),
      await shift('c.pt', '2'),
    ]
    expect(first).toMatchObject({
      layer: 'fc',
      batchSize: 40,
      classesCovered: 10,
      classes: 10,
      rank: 40,
      singularValues: { next: null },
      certificate: { samples: 100 },
      out: join(folder, 'a.pt'),
    })
    const { indices, singularValues, certificate } = first
    const given = { model: demoModel, layer: 'fc', folder: fashionMnist, indices, tolerance: 1e-6 }
    const { sigma } = await reference('shift', given)
    expect(singularValues.first / sigma[0]).toBeCloseTo(1, 5)
    expect(singularValues.last / sigma[39]).toBeCloseTo(1, 4)
    // Images that are certified are among those whose class did not change.
    expect(certificate.marginSafeShare).toBeGreaterThan(0)
    expect(certificate.marginSafeShare).toBeLessThanOrEqual(1 - certificate.changedPredictions / 100)
    expect(first.indices).toHaveLength(40)
    expect([same.indices, same.normAfter]).toEqual([first.indices, first.normAfter])
    expect(other.indices).not.toEqual(first.indices)
    const [record] = await json('eval', join(folder, 'a.pt'), '--data', test, '--limit', '200')
    expect(record.top1).toBeGreaterThan(80)
    const inspected = await json('inspect', join(folder, 'a.pt'))
    expect(inspected.record.shifts[0]).toMatchObject({ layer: 'fc', seed: 1, rank: 40 })
  })

  it('inspect shows the tree, the parameters and the last layer', async () => {
    const record = await json('inspect', fixture('resnet18.traced.pt'))
    expect(record).toMatchObject({
      kind: 'traced',
      training: false,
      outputLayer: { layer: { path: 'fc', inFeatures: 512 }, steps: [], item: null },
      noOutputLayer: null,
    })
    // torchvision's ResNet-18 with ten classes
    expect(record.parameters).toBe(11_181_642)
    const { stdout } = await sos('inspect', fixture('resnet18.scripted.pt'))
    expect(stdout).toContain('fc  Linear  weight [10, 512], bias [10]')
    expect(stdout).toContain('output layer: fc (512 → 10, with bias)')
    const scaled = await json('inspect', fixture('heads.Scaled.pt'))
    expect(scaled.outputLayer).toBeNull()
    expect(scaled.noOutputLayer).toContain("aten::mul in the code of the model itself makes it, of 'fc'")
    expect((await json('inspect', fixture('resnet18.frozen.pt'))).kind).toBe('frozen')
  })

  it('takes preprocessing from flags, and skips corrupt images on request', async () => {
    const images = join(folder, 'images')
    mkdirSync(join(images, 'Bag'), { recursive: true })
    copyFileSync(`${root}/test/fixtures/grey.png`, join(images, 'Bag/1.png'))
    writeFileSync(join(images, 'Bag/2.jpg'), 'no image')
    const flags = ['--data', `imagefolder:${images}`, '--resize', '28', '--crop', '28', '--skip-corrupt']
    const [own] = await json('eval', demoModel, ...flags)
    expect(own.images).toBe(1)
    const [same] = await json('eval', demoModel, ...flags, '--mean', '0.286', '--std', '0.353')
    expect(same.loss).toBe(own.loss)
    const [other] = await json('eval', demoModel, ...flags, '--mean', '0.9', '--interpolation', 'bicubic')
    expect(other.loss).not.toBe(own.loss)
    // The image has 28 × 28 pixels already.
    const [asItIs] = await json('eval', demoModel, ...flags, '--resize', 'none', '--crop', 'none')
    expect(asItIs.loss).toBe(own.loss)
    const [small] = await json('eval', demoModel, ...flags, '--resize', '14', '--crop', 'none')
    expect(small.loss).not.toBe(own.loss)
  })

  it('doctor tells what is installed', async () => {
    const record = await json('doctor')
    expect(record.node).toBe(process.versions.node)
    expect(record.torch.version).toMatch(/^2\.1[1-4]\.\d+$/)
    expect(record.torch.devices).toContain('cpu')
    const devices = record.torch.cuda.map(({ device }: { device: string }) => device)
    expect(record.torch.devices.slice(1)).toEqual(devices)
    expect(existsSync(record.torch.library)).toBe(true)
    expect(['libturbojpeg', 'sharp']).toContain(record.torch.jpegDecoder)
    expect(record.torch.processGroups[0]).toBe('gloo')
  })

  it.skipIf(dataRoot === undefined)('eval takes foreign TorchScript with a preset', async () => {
    const model = `${dataRoot}/checkpoints/squeezenet1_0.ts.pt`
    const data = `imagefolder:${dataRoot}/imagenet-sample/val`
    const [record] = await json('eval', model, '--data', data, '--preset', 'squeezenet1_0', '--limit', '50')
    expect(record.images).toBe(50)
    const without = await sos('eval', model, '--data', data)
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('name a preset')])
  })
})
