import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import {
  checkpointRecord,
  idxFolder,
  preprocessOf,
  ScriptModule,
  saveShifted,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../src/index.js'

import { vectors } from '../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const weightOf = (model: ScriptModule, layer = 'fc') => model.namedParameters().get(`${layer}.weight`)!
const norm = (tensor: Tensor) => Math.sqrt(tensor.to('float64').square().sum().item())
const flat = (tensor: Tensor) => tensor.detach().to('float64').reshape([-1]).toTypedArray() as Float64Array

let train: Dataset
beforeAll(async () => {
  train = await idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(demoModel)))
})

describe('shiftOptimum', () => {
  it("writes the V* that Python finds from the record's indices, and Python loads the file with the same logits", async () => {
    const model = await ScriptModule.load(demoModel)
    const before = weightOf(model).clone()
    const rank = { policy: 'tolerance', tolerance: 1e-6 } as const
    const record = await shiftOptimum(model, train, { batchSize: 60, seed: 4, rank })
    const python = await reference('shift', {
      model: demoModel,
      layer: 'fc',
      folder: fashionMnist,
      indices: record.indices,
      tolerance: 1e-6,
    })
    expect(record.rank).toBe(python.rank)
    expect(record.singularValues!.first / python.sigma[0]).toBeCloseTo(1, 5)
    expect(record.singularValues!.last / python.sigma[record.rank - 1]).toBeCloseTo(1, 4)
    const weight = flat(weightOf(model))
    expect(largestDifference(weight, python.weight) / norm(before)).toBeLessThan(1e-5)

    const path = join(temporaryFolder(), 'shifted.pt')
    await saveShifted(model, path, record, { dataset: train.name, preprocess: preprocessOf(model) })
    const shape = [16, 1, 28, 28]
    const logits = await torch.noGrad(() => model.eval().forward(randn(shape, 9)))
    const loaded = await reference('forward', { model: path, shape, seed: 9 })
    expect(largestDifference(flat(logits), loaded.output)).toBeLessThan(1e-5)
    const told = JSON.parse(loaded.extra)
    expect(told.shifts).toHaveLength(1)
    expect(told.shifts[0]).toMatchObject({ layer: 'fc', batchSize: 60, seed: 4, sampling: 'stratified' })
    expect(checkpointRecord(await ScriptModule.load(path))!.preprocess).toEqual(preprocessOf(model))
  })

  it('reports what it did', async () => {
    const model = await ScriptModule.load(demoModel)
    const record = await shiftOptimum(model, train, { batchSize: 50 })
    expect(record).toMatchObject({
      layer: 'fc',
      batchSize: 50,
      classesCovered: 10,
      classes: 10,
      rank: 50,
      inFeatures: 256,
      singularValues: { next: null },
    })
    expect(new Set(record.indices).size).toBe(50)
    expect(record.normAfter).toBeLessThan(record.normBefore)
    expect(record.normAfter).toBeCloseTo(norm(weightOf(model)), 6)
    expect(record).toMatchObject({
      solver: 'svd',
      policy: 'logits:0.001',
      bias: 'fixed',
      identity: false,
      certificate: null,
      unseenClasses: [],
    })
    expect(record.batchLogitChange).toBeLessThan(1e-3)
  })

  it('keeps the logits of the whole batch in a forward', async () => {
    const model = await ScriptModule.load(demoModel)
    const other = await ScriptModule.load(demoModel)
    const { indices } = await shiftOptimum(model, train, { batchSize: 40 })
    const { images } = await train.load(indices)
    const [after, before] = await Promise.all(
      [model, other].map((m) => torch.noGrad(() => m.eval().forward(images))),
    )
    expect(largestDifference(flat(after!), flat(before!))).toBeLessThan(1e-4)
  })

  it('is a projection: the same batch again changes nothing', async () => {
    const model = await ScriptModule.load(demoModel)
    await shiftOptimum(model, train, { batchSize: 40 })
    const once = flat(weightOf(model))
    const again = await shiftOptimum(model, train, { batchSize: 40 })
    expect(largestDifference(flat(weightOf(model)), once)).toBeLessThan(1e-6)
    expect(again.normAfter / again.normBefore).toBeCloseTo(1, 6)
  })

  it('is the identity if the batch spans all inputs', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const before = flat(weightOf(model, '2'))
    const record = await shiftOptimum(model, vectors(40), { batchSize: 40 })
    expect([record.rank, record.inFeatures, record.identity]).toEqual([8, 8, true])
    expect(largestDifference(flat(weightOf(model, '2')), before)).toBeLessThan(1e-13)
  })

  it('takes any linear layer by its path', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const record = await shiftOptimum(model, vectors(40), { batchSize: 2, layer: '0' })
    expect([record.layer, record.rank, record.inFeatures]).toEqual(['0', 2, 6])
  })

  it('does not write what would move the logits of the batch too far', async () => {
    const model = await ScriptModule.load(demoModel)
    const before = flat(weightOf(model))
    // Most of the row space is thrown away: the logits cannot stay.
    const failed = shiftOptimum(model, train, {
      batchSize: 100,
      rank: { policy: 'tolerance', tolerance: 0.3 },
    })
    await expect(failed).rejects.toEqual(code('ERR_SHIFT_VERIFICATION'))
    await expect(failed).rejects.toThrow('was not written')
    expect(flat(weightOf(model))).toEqual(before)
  })

  it('writes what ridge damps, whose logits it does not keep, unless a budget is given', async () => {
    const ridge = { indices: [1, 4, 9, 16], rank: { policy: 'ridge', lambda: 0.1 } } as const
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const before = weightOf(model, '2').detach().clone()
    const record = await shiftOptimum(model, vectors(40), ridge)
    const { images } = await vectors(40).load(ridge.indices)
    const [w, bias] = ['0.weight', '0.bias'].map((name) => model.namedParameters().get(name)!.detach())
    const a = images.matmul(w!.t()).add(bias!).tanh()
    // (AᵀA + λσ₁²I)⁻¹AᵀA V
    const square = a.t().matmul(a)
    const lambda = torch.linalg_eigvalsh(square).max().item() * 0.1
    const damped = square.add(torch.eye(8, { dtype: 'float64' }).mul(lambda))
    const expected = torch.linalg_solve(damped, square.matmul(before.t()))
    expect(largestDifference(flat(weightOf(model, '2')), flat(expected.t()))).toBeLessThan(1e-10)
    expect(record.batchLogitChange).toBeGreaterThan(0.01)
    const other = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const held = shiftOptimum(other, vectors(40), { ...ridge, logitBudget: 0.001 })
    await expect(held).rejects.toEqual(code('ERR_SHIFT_VERIFICATION'))
    expect(flat(weightOf(other, '2'))).toEqual(flat(before))
  })

  it('leaves no hook and no mode behind', async () => {
    const model = (await ScriptModule.load(demoModel)).train()
    await shiftOptimum(model, train, { batchSize: 10 })
    expect(model.training).toBe(true)
    await expect(
      shiftOptimum(model, { ...train, load: () => Promise.reject(new Error('disk')) }),
    ).rejects.toThrow('disk')
    expect(model.training).toBe(true)
  })

  it('refuses batches larger than the dataset, layers that do not exist or are not linear, frozen modules', async () => {
    const model = await ScriptModule.load(demoModel)
    await expect(shiftOptimum(model, train, { batchSize: 10_001 })).rejects.toEqual(code('ERR_BATCH_SIZE'))
    await expect(shiftOptimum(model, train, { layer: 'fx' })).rejects.toThrow("did you mean 'fc'")
    await expect(shiftOptimum(model, train, { layer: 'layer4.bn1' })).rejects.toEqual(code('ERR_NOT_LINEAR'))
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    await expect(shiftOptimum(frozen, train)).rejects.toEqual(code('ERR_FROZEN'))
  })

  it('takes the batch that it is given, and says which classes have no image in it', async () => {
    const model = await ScriptModule.load(demoModel)
    const indices = [5, 17, 99, 1000]
    const seen = new Set(indices.map((index) => train.classes[train.labels[index]!]!))
    const record = await shiftOptimum(model, train, { indices })
    expect(record).toMatchObject({ sampling: 'given', batchSize: 4, indices, rank: 4 })
    expect(record.unseenClasses).toEqual(train.classes.filter((name) => !seen.has(name)))
    expect(record.classesCovered).toBe(seen.size)
    for (const wrong of [[], [-1], [10_000], [0.5]]) {
      await expect(shiftOptimum(model, train, { indices: wrong })).rejects.toEqual(code('ERR_INDICES'))
    }
  })

  it('certifies on samples held out, as forwards of the model before and after show', async () => {
    const [model, before] = await Promise.all([ScriptModule.load(demoModel), ScriptModule.load(demoModel)])
    const all = Array.from({ length: 60 }, (_, i) => i)
    const few: Dataset = { ...train, size: 60, labels: train.labels.subarray(0, 60) }
    const record = await shiftOptimum(model, few, { batchSize: 20, heldOut: 1000 })
    const others = all.filter((index) => !record.indices.includes(index))
    const { images } = await few.load(others)
    const [old, now] = await Promise.all(
      [before, model].map((m) => torch.noGrad(() => m.eval().forward(images))),
    )
    const change = now!.sub(old!).abs()
    expect(record.certificate).toMatchObject({
      samples: 40,
      changedPredictions: now!.argmax(1).ne(old!.argmax(1)).sum().item(),
    })
    expect(record.certificate!.maxLogitChange).toBeCloseTo(change.max().item(), 3)
    expect(record.certificate!.meanLogitChange).toBeCloseTo(change.amax([1]).mean().item(), 4)
  })

  it('absorbs what it may into the bias, and keeps the batch', async () => {
    const [fixed, absorbed] = await Promise.all([ScriptModule.load(demoModel), ScriptModule.load(demoModel)])
    const one = await shiftOptimum(fixed, train, { batchSize: 40 })
    const two = await shiftOptimum(absorbed, train, { batchSize: 40, bias: 'absorb' })
    expect(two.normAfter).toBeLessThan(one.normAfter)
    expect(two.batchLogitChange).toBeLessThan(1.1e-3)
    const bias = (model: ScriptModule) => flat(model.namedParameters().get('fc.bias')!)
    expect(largestDifference(bias(absorbed), bias(fixed))).toBeGreaterThan(1e-4)
  })

  it('refuses features that are not finite', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const images = torch.full([4, 6], Number.NaN, { dtype: 'float64' })
    const broken: Dataset = { ...vectors(8), load: async (indices) => ({ images, indices, skipped: [] }) }
    await expect(shiftOptimum(model, broken, { batchSize: 4 })).rejects.toEqual(code('ERR_NOT_FINITE'))
  })
})
