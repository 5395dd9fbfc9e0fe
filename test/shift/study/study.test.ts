import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../../src/data/index.js'
import {
  evaluate,
  idxFolder,
  preprocessOf,
  runStudy,
  ScriptModule,
  saveShifted,
  shiftOptimum,
  subset,
  torch,
} from '../../../src/index.js'
import type { Study } from '../../../src/shift/index.js'

import { vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { beforeTests } from '../../support/timed.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const limit = 1000

let train: Dataset
let test: Dataset
beforeAll(async () => {
  const recipe = preprocessOf(await ScriptModule.load(demoModel))
  train = await idxFolder(fashionMnist, 'train', recipe)
  test = await idxFolder(fashionMnist, 'test', recipe)
})

describe('runStudy', () => {
  let study: Study
  beforeTests(async () => {
    study = await runStudy(await ScriptModule.load(demoModel), train, test, {
      batchSizes: [60, 20],
      draws: 3,
      seed: 4,
      samplings: ['stratified', 'uniform'],
      biases: ['fixed', 'absorb'],
      policies: [
        { policy: 'logits', delta: 1e-3 },
        { policy: 'energy', share: 0.99 },
      ],
      controls: true,
      limit,
    })
  })

  it("corrects the rows' p-values by Holm, all together", () => {
    const raw = study.rows.map(({ test }) => test.pValue)
    // Holm's adjusted p is the largest of (how many are not smaller) · p over the p up to it.
    const adjusted = raw.map((own) =>
      Math.max(
        ...raw
          .filter((p) => p <= own)
          .map((p) => Math.min(1, p * (raw.length - raw.filter((q) => q < p).length))),
      ),
    )
    expect(adjusted.some((p, i) => p > raw[i]!)).toBe(true)
    study.rows.forEach(({ test }, i) => void expect(test.adjustedPValue).toBeCloseTo(adjusted[i]!, 12))
  })

  it('draws the random control of each row by its seed', async () => {
    const weight = (await ScriptModule.load(demoModel)).namedParameters().get('fc.weight')!
    const v = weight.detach().to('float64').t()
    const random = study.controls.filter(({ method, batchSize }) => method === 'random' && batchSize === 20)
    expect(random.map(({ seed }) => seed)).toEqual([4, 5, 6])
    for (const { seed, normAfter } of random) {
      const span = randn([256, 20], seed, 'float64')
      const onSpan = span.matmul(torch.linalg_solve(span.t().matmul(span), span.t().matmul(v)))
      expect(normAfter).toBeCloseTo(onSpan.square().sum().sqrt().item(), 5)
    }
  })

  it('has a row for each combination, and controls beside the first variant', () => {
    expect(study).toMatchObject({ layer: 'fc', inFeatures: 256, classes: 10, batchSizes: [20, 60] })
    expect(study.seeds).toEqual([4, 5, 6])
    const keys = study.rows.map(({ batchSize, seed, sampling, bias, policy }) =>
      [batchSize, seed, sampling, bias, policy].join(),
    )
    expect(new Set(keys).size).toBe(2 * 3 * 2 * 2 * 2)
    expect(study.rows).toHaveLength(48)
    expect(study.controls).toHaveLength(2 * 3 * 4)
    expect(study.summaries).toHaveLength(2 * 8 + 2 * 4)
    expect(study.validation).toMatchObject({ images: limit, skipped: 0 })
  })

  it('reports for the original what evaluate reports', async () => {
    const { top1, top5, loss } = await evaluate(await ScriptModule.load(demoModel), test, { limit })
    expect([study.before.top1, study.before.top5]).toEqual([top1, top5])
    expect(study.before.loss).toBeCloseTo(loss, 6)
  })

  it.each([
    { batchSize: 20, seed: 5, sampling: 'uniform', bias: 'fixed' },
    { batchSize: 60, seed: 4, sampling: 'stratified', bias: 'absorb' },
  ] as const)(
    'has in its row what evaluate finds of the written checkpoint: $batchSize $sampling $bias',
    async (of) => {
      const model = await ScriptModule.load(demoModel)
      const before = await evaluate(model, test, { limit })
      const shift = await shiftOptimum(model, train, of)
      const path = join(temporaryFolder(), 'shifted.pt')
      await saveShifted(model, path, shift, { dataset: train.name, preprocess: preprocessOf(model) })
      const after = await evaluate(await ScriptModule.load(path), test, { limit })

      const row = study.rows.find(
        ({ batchSize, seed, sampling, bias, policy }) =>
          policy === 'logits:0.001' &&
          [batchSize, seed, sampling, bias].join() === [of.batchSize, of.seed, of.sampling, of.bias].join(),
      )!
      expect([row.score.top1, row.score.top5]).toEqual([after.top1, after.top5])
      expect(row.score.loss).toBeCloseTo(after.loss, 5)
      expect([row.rank, row.normBefore]).toEqual([shift.rank, shift.normBefore])
      expect(row.normAfter).toBeCloseTo(shift.normAfter, 5)
      const label = (i: number) => test.labels[after.indices[i]!]
      const count = (is: (i: number) => boolean) => after.indices.filter((_, i) => is(i)).length
      const right = (i: number, { predictions }: typeof after) => predictions[i] === label(i)
      expect(row.test.onlyBefore).toBe(count((i) => right(i, before) && !right(i, after)))
      expect(row.test.onlyAfter).toBe(count((i) => !right(i, before) && right(i, after)))
      expect(row.drift.changedPredictions).toBe(count((i) => before.predictions[i] !== after.predictions[i]))
      expect(row.drift.changedPredictions).toBeGreaterThan(0)
      // Certified images are among those that kept their class.
      expect(row.drift.marginSafeShare).toBeLessThanOrEqual(1 - row.drift.changedPredictions / limit)
    },
  )

  it('has the numbers of a float64 projector in numpy', async () => {
    const { indices } = await shiftOptimum(await ScriptModule.load(demoModel), train, {
      batchSize: 20,
      seed: 4,
    })
    const python = await reference('study', {
      model: demoModel,
      layer: 'fc',
      folder: fashionMnist,
      indices,
      limit,
    })
    const row = study.rows.find(({ batchSize, seed }) => batchSize === 20 && seed === 4)!
    expect(row).toMatchObject({ sampling: 'stratified', bias: 'fixed', policy: 'logits:0.001' })
    expect(row.score.top1).toBeCloseTo(python.top1, 10)
    expect(row.score.loss).toBeCloseTo(python.loss, 5)
    expect(row.normAfter).toBeCloseTo(python.norm, 5)
    expect([row.test.onlyBefore, row.test.onlyAfter]).toEqual([python.onlyBefore, python.onlyAfter])
  })

  it('starts each draw from the original weights and leaves the model as it is', async () => {
    const model = await ScriptModule.load(demoModel)
    const before = model.namedParameters().get('fc.weight')!.clone()
    const options = { batchSizes: [20], seed: 5, draws: 1, limit }
    const alone = await runStudy(model, train, test, options)
    const [row] = alone.rows
    const amongOthers = study.rows.find(
      ({ batchSize, seed, sampling }) => batchSize === 20 && seed === 5 && sampling === 'stratified',
    )!
    expect(row!.score.top1).toBe(amongOthers.score.top1)
    expect(row!.normAfter).toBeCloseTo(amongOthers.normAfter, 6)
    expect(model.namedParameters().get('fc.weight')!.equal(before)).toBe(true)
    expect(alone.summaries[0]!.top1.sd).toBeNull()
  })

  it('reports which classes a batch has no image of, and how their images fare', () => {
    const uniform = study.rows.filter(({ sampling, batchSize }) => sampling === 'uniform' && batchSize === 20)
    const missed = uniform.filter(({ classesCovered }) => classesCovered < 10)
    expect(missed.length).toBeGreaterThan(0)
    for (const { classesCovered, unseen } of missed) {
      expect(unseen!.classes).toBe(10 - classesCovered)
      expect(unseen!.images).toBeGreaterThan(50 * unseen!.classes)
    }
    for (const { unseen } of study.rows.filter(({ sampling }) => sampling === 'stratified')) {
      expect(unseen).toBeNull()
    }
  })

  it('measures controls: a shrink to the same norm changes predictions by the bias alone', () => {
    const shrunk = study.controls.filter(({ method }) => method === 'shrink')
    const shifted = study.rows.slice(0, 3)
    expect(shrunk.slice(0, 3).map(({ normAfter }) => normAfter.toFixed(4))).toEqual(
      shifted.map(({ normAfter }) => normAfter.toFixed(4)),
    )
    const ranks = study.controls.filter(({ method }) => method === 'random').map(({ rank }) => rank)
    expect(ranks).toEqual([20, 20, 20, 60, 60, 60])
  })

  it('reports logits of the batch that move by more than a hundredth', async () => {
    const policies = [
      { policy: 'logits', delta: 1e-3 },
      { policy: 'logits', delta: 0.5 },
    ] as const
    const { rows } = await runStudy(await ScriptModule.load(demoModel), train, test, {
      batchSizes: [100],
      draws: 1,
      policies,
      limit: 50,
    })
    expect(rows[0]!.batchLogitChange).toBeLessThan(2e-3)
    expect(rows[1]!.batchLogitChange).toBeGreaterThan(1e-2)
    const warned = rows.map(({ warnings }) =>
      warnings.filter((one) => one.startsWith('logits of the batch move by')),
    )
    expect(warned).toEqual([[], [expect.stringContaining(rows[1]!.batchLogitChange.toPrecision(2))]])
  })

  it('says where the shift is the identity', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const { rows, summaries } = await runStudy(model, vectors(40), vectors(30), {
      batchSizes: [40],
      draws: 2,
    })
    expect(rows.map(({ identity }) => identity)).toEqual([true, true])
    expect(rows[0]!.test).toEqual({ onlyBefore: 0, onlyAfter: 0, pValue: 1, adjustedPValue: 1 })
    expect(summaries[0]!.identities).toBe(2)
  })

  it('marks the rows that a shift would not write, for example if a tolerance cuts too much', async () => {
    const policies = [{ policy: 'logits' }, { policy: 'tolerance', tolerance: 0.3 }] as const
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const { rows, summaries } = await runStudy(model, vectors(40), vectors(30), {
      batchSizes: [6],
      draws: 3,
      policies,
    })
    for (const [i, row] of rows.entries()) {
      const written = await shiftOptimum(await ScriptModule.load(fixture('mlp.scripted.pt')), vectors(40), {
        batchSize: 6,
        seed: row.seed,
        rank: policies[i < 3 ? 0 : 1],
      }).catch((error) => error.code)
      if (i < 3) expect([row.rolledBack, written]).toEqual([null, expect.objectContaining({ layer: '2' })])
      else expect([row.rolledBack, written]).toEqual([expect.any(String), 'ERR_SHIFT_VERIFICATION'])
    }
    expect(summaries.map(({ rolledBack }) => rolledBack)).toEqual([0, 3])
    expect(summaries[1]!.significantDraws).toBe(0)
  })

  it('refuses layers that are not the last, empty lists, batches beyond the training set', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const run = (options: Partial<Parameters<typeof runStudy>[3]>) =>
      runStudy(model, vectors(12), vectors(12), { batchSizes: [4], ...options })
    await expect(run({ layer: '0' })).rejects.toEqual(code('ERR_NOT_LAST'))
    await expect(run({ batchSizes: [] })).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await expect(run({ draws: 0 })).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await expect(run({ batchSizes: [13] })).rejects.toEqual(code('ERR_BATCH_SIZE'))
    await expect(run({ policies: [{ policy: 'energy', share: 2 }] })).rejects.toEqual(code('ERR_RANK_POLICY'))
    const labels = { ...vectors(12), labels: new Int32Array(12).fill(3) }
    await expect(runStudy(model, vectors(12), labels, { batchSizes: [4] })).rejects.toEqual(
      code('ERR_LABELS'),
    )
  })

  it('refuses a layer after which something comes for some images only, however late they come', async () => {
    const model = await ScriptModule.load(fixture('heads.ChangedByData.pt'))
    const data = vectors(400)
    const { images } = await data.load([...data.labels.keys()])
    const first = images.select(1, 0).toArray() as number[]
    const later = first.findIndex((x) => x > 2)
    const plain = [...first.keys()].filter((i) => first[i]! < 2).slice(0, 12)
    const run = (validation: readonly number[]) =>
      runStudy(model, subset(data, plain), subset(data, validation), {
        layer: 'fc',
        batchSizes: [4],
        draws: 1,
        chunk: 4,
      })
    expect(later).toBeGreaterThan(-1)
    await expect(run([...plain, later])).rejects.toEqual(code('ERR_NOT_LAST'))
    expect((await run(plain)).validation.images).toBe(12)
  })

  it('leaves images out that could not be read, of the batch and of the validation set', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const {
      rows,
      train: trained,
      validation,
    } = await runStudy(model, vectors(12, [3, 4]), vectors(30, [7]), { batchSizes: [12], draws: 1, chunk: 2 })
    expect([trained, validation]).toMatchObject([
      { images: 10, skipped: 2 },
      { images: 29, skipped: 1 },
    ])
    expect(rows[0]!.warnings).toContainEqual('2 images of the batch could not be read')
  })

  it('ends at a signal', async () => {
    const model = await ScriptModule.load(demoModel)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(runStudy(model, train, test, { batchSizes: [20], signal })).rejects.toThrow('enough')
    expect(model.training).toBe(false)
  })
})
