import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ScriptModule } from '../../src/index.js'
import type { ShiftRecord } from '../../src/shift/index.js'

import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const folder = temporaryFolder()
const train = `idx:${fashionMnist}:train`
const test = `idx:${fashionMnist}:test`

async function json(...args: string[]) {
  const { code, stdout, stderr } = await sos(...args, '--json')
  expect([args, code, code === 0 || stderr]).toEqual([args, 0, true])
  return JSON.parse(stdout)
}

async function shift(
  name: string,
  ...options: string[]
): Promise<{ record: ShiftRecord; model: ScriptModule }> {
  const out = join(folder, name)
  const args = ['shift', demoModel, '--data', train, '--batch-size', '60', '--held-out', '0', '--out', out]
  const { shifts } = await json(...args, ...options)
  return { record: shifts[0], model: await ScriptModule.load(out) }
}

const bias = (model: ScriptModule) => model.namedParameters().get('fc.bias')!.toArray() as number[]

describe('what is asked for is what is done', () => {
  it('sos shift --rank, --solver, --seed: the V* that numpy finds by this tolerance', async () => {
    const rank = ['--rank', 'tolerance:0.000002', '--solver', 'qr', '--seed', '4']
    const { record, model } = await shift('tolerance.pt', ...rank)
    const python = await reference('shift', {
      model: demoModel,
      layer: 'fc',
      folder: fashionMnist,
      indices: record.indices,
      tolerance: 2e-6,
    })
    expect(record).toMatchObject({ solver: 'qr', policy: 'tolerance:0.000002', rank: python.rank, seed: 4 })
    const norm = Math.sqrt((python.weight as number[]).reduce((sum, value) => sum + value ** 2, 0))
    expect(record.normAfter).toBeCloseTo(norm, 4)
    expect(bias(model)).toEqual(bias(await ScriptModule.load(demoModel)))
  })

  it('sos shift --bias', async () => {
    const { record, model } = await shift('absorb.pt', '--bias', 'absorb')
    expect(record).toMatchObject({ bias: 'absorb', solver: 'svd', policy: 'logits:0.001' })
    const [now, old] = [bias(model), bias(await ScriptModule.load(demoModel))]
    expect(now.some((value, i) => Math.abs(value - old[i]!) > 1e-4)).toBe(true)
    const fixed = (await shift('fixed.pt')).record
    expect(fixed).toMatchObject({ bias: 'fixed', rank: 60, singularValues: { next: null } })
    const { indices } = fixed
    const given = { model: demoModel, layer: 'fc', folder: fashionMnist, indices, tolerance: 1e-6 }
    const { sigma } = await reference('shift', given)
    expect(fixed.singularValues!.first / sigma[0]).toBeCloseTo(1, 5)
    expect(fixed.singularValues!.last / sigma[59]).toBeCloseTo(1, 4)
  })

  it('sos study --limit-val, --draws, --seed', async () => {
    const sizes = ['--batch-sizes', '20', '--draws', '2', '--seed', '6']
    const study = await json(
      'study',
      demoModel,
      '--train',
      train,
      '--val',
      test,
      '--limit-val',
      '150',
      ...sizes,
    )
    expect(study).toMatchObject({ validation: { images: 150, skipped: 0 }, seeds: [6, 7], batchSizes: [20] })
    const [own] = await json('eval', demoModel, '--data', test, '--limit', '150')
    expect(own.images).toBe(150)
    expect([study.before.top1, study.before.top5]).toEqual([own.top1, own.top5])
  })

  it("sos eval: Python's figures", async () => {
    const [record] = await json('eval', demoModel, '--data', test, '--chunk', '300', '--per-class')
    const python = await reference('evaluate', { model: demoModel, folder: fashionMnist })
    for (const name of ['top1', 'top5', 'loss', 'calibrationError']) {
      expect(record[name]).toBeCloseTo(python[name], 6)
    }
    expect(record.images).toBe(2000)
    const perClass = record.perClass.map(({ top1 }: { top1: number }) => top1)
    expect(perClass).toEqual(python.perClass.map((top1: number) => expect.closeTo(top1, 10)))
  })
})
