import { describe, expect, it } from 'vitest'
import {
  type Dataset,
  runStudy,
  ScriptModule,
  sampleIndices,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../../src/index.js'
import type { StudyRow } from '../../../src/shift/index.js'

import { vectors } from '../../support/datasets.js'
import { denseNetwork, measuredByHand } from '../../support/dense-study.js'
import { fixture } from '../../support/paths.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const [train, validation] = [vectors(40), { ...vectors(70), name: 'others' }]
const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()

describe('a row of a study', () => {
  it.each([
    ['fixed', 'stratified', 4],
    ['absorb', 'uniform', 3],
  ] as const)('is dense arithmetic in every field: %s, %s', async (bias, sampling, batchSize) => {
    const study = await runStudy(await load(), train, validation, {
      batchSizes: [batchSize],
      draws: 3,
      seed: 2,
      samplings: [sampling],
      biases: [bias],
      policies: [{ policy: 'tolerance', tolerance: 1e-9 }],
      chunk: 9,
    })
    expect(study.seeds).toEqual([2, 3, 4])
    const { of, v, bias: b } = await denseNetwork(await load())
    const features = await of(validation, [...Array(70).keys()])
    const labels = [...validation.labels]
    const z = features.matmul(v).add(b)
    for (const [i, seed] of [2, 3, 4].entries()) {
      const row = study.rows[i]!
      const indices = sampleIndices(train, { size: batchSize, sampling, seed })
      const a = await of(train, indices)
      const mean = a.mean([0])
      const own = bias === 'absorb' ? a.sub(mean) : a
      const rank = bias === 'absorb' ? batchSize - 1 : batchSize
      const vStar = torch.linalg_pinv(own, { rtol: 1e-9 }).matmul(own).matmul(v)
      const bStar = bias === 'absorb' ? b.add(mean.matmul(v.sub(vStar))) : b
      const sigma = torch.linalg_svdvals(own).toArray() as number[]
      const { top1, loss, onlyBefore, onlyAfter, pValue, drift, wasRight, isRight } = measuredByHand(
        z,
        features.matmul(vStar).add(bStar),
        labels,
      )
      const seen = new Set(indices.map((index) => train.labels[index]!))
      const unseen = labels.flatMap((label, k) => (seen.has(label) ? [] : [k]))
      const share = (flags: number[]) => (100 * unseen.filter((k) => flags[k] === 1).length) / unseen.length
      const { score, warnings, test, batchLogitChange, singularValues, ...told } = row
      expect(told).toEqual({
        method: 'shift',
        policy: 'tolerance:1e-9',
        sampling,
        bias,
        batchSize,
        seed,
        rank,
        lambda: null,
        identity: false,
        rolledBack: null,
        normBefore: expect.closeTo(norm(v), 12),
        normAfter: expect.closeTo(norm(vStar), 9),
        classesCovered: seen.size,
        unseen:
          unseen.length === 0
            ? null
            : {
                classes: 3 - seen.size,
                images: unseen.length,
                top1Before: share(wasRight),
                top1After: share(isRight),
              },
        drift,
      })
      expect(singularValues).toEqual({
        first: expect.closeTo(sigma[0]!, 9),
        last: expect.closeTo(sigma[rank - 1]!, 9),
        next: rank === batchSize ? null : expect.closeTo(0, 9),
      })
      expect(score).toMatchObject({
        top1: expect.closeTo(top1, 10),
        top5: null,
        loss: expect.closeTo(loss, 10),
      })
      expect(test).toMatchObject({ onlyBefore, onlyAfter, pValue: expect.closeTo(pValue, 12) })
      expect(batchLogitChange).toBeLessThan(1e-12)
      expect(warnings).toEqual([])
    }
    expect(study.before.top1).toBeCloseTo(measuredByHand(z, z, labels).top1, 10)
    expect(study.before.loss).toBeCloseTo(measuredByHand(z, z, labels).loss, 10)
    expect(study.normBefore).toBeCloseTo(norm(v), 12)
    expect([study.controls, study.paths.length, study.spectra.length]).toEqual([[], 3, 1])
    expect(study).toMatchObject({
      version: 1,
      model: fixture('mlp.scripted.pt'),
      layer: '2',
      inFeatures: 8,
      classes: 3,
      train: { dataset: 'vectors', skipped: 0 },
      validation: { dataset: 'others', images: 70, skipped: 0 },
      batchSizes: [batchSize],
      solver: 'svd',
    })
    const needed = new Set(
      [2, 3, 4].flatMap((seed) => sampleIndices(train, { size: batchSize, sampling, seed })),
    )
    expect(study.train.images).toBe(needed.size)
    for (const milliseconds of Object.values(study.milliseconds)) expect(milliseconds).toBeGreaterThan(0)
  })

  it('has norms along its path, and the spectrum of its first draw with all cuts', async () => {
    const study = await runStudy(await load(), train, validation, {
      batchSizes: [6, 3],
      draws: 2,
      samplings: ['uniform', 'stratified'],
      biases: ['absorb', 'fixed'],
      policies: [
        { policy: 'fixed', rank: 2 },
        { policy: 'ridge', lambda: 0.1 },
        { policy: 'energy', share: 0.9 },
      ],
      solver: 'gram',
    })
    const { of, v } = await denseNetwork(await load())
    // Of the largest batch alone, of each sampling and seed; also where the first bias mode centres the batch.
    expect(study.paths.map(({ seed, sampling }) => [seed, sampling])).toEqual([
      [0, 'uniform'],
      [1, 'uniform'],
      [0, 'stratified'],
      [1, 'stratified'],
    ])
    for (const { seed, sampling, points } of study.paths) {
      const a = await of(train, sampleIndices(train, { size: 6, sampling, seed }))
      const expected = [1, 2, 3, 4, 5, 6].map((rows) => {
        const part = a.narrow(0, 0, rows)
        return {
          batchSize: rows,
          norm: expect.closeTo(norm(torch.linalg_pinv(part).matmul(part).matmul(v)), 9),
        }
      })
      expect(points).toEqual(expected)
    }
    expect(study.solver).toBe('gram')
    expect(
      study.spectra.map(({ batchSize, seed, sampling, bias }) => [batchSize, seed, sampling, bias]),
    ).toEqual(
      [3, 6].flatMap((size) =>
        ['uniform', 'stratified'].flatMap((sampling) =>
          ['absorb', 'fixed'].map((bias) => [size, 0, sampling, bias]),
        ),
      ),
    )
    for (const { batchSize, sampling, bias, values, cuts } of study.spectra) {
      const a = await of(train, sampleIndices(train, { size: batchSize, sampling, seed: 0 }))
      const own = bias === 'absorb' ? a.sub(a.mean([0])) : a
      const sigma = torch.linalg_svdvals(own).toArray() as number[]
      expect(values).toHaveLength(batchSize)
      values.forEach((value, i) => {
        if (sigma[i]! < 1e-6) return // below what a Gram matrix resolves
        expect(Math.abs(value / sigma[i]! - 1)).toBeLessThan(1e-5)
        expect(
          String(value)
            .replace(/[^0-9]|e.*$/g, '')
            .replace(/^0+/, '').length,
        ).toBeLessThanOrEqual(6)
      })
      const energies = sigma.map((value) => value ** 2)
      const whole = energies.reduce((sum, energy) => sum + energy)
      let [rank, sum] = [0, 0]
      while (sum < 0.9 * whole) sum += energies[rank++]!
      expect(cuts).toEqual([
        { policy: 'fixed:2', rank: 2 },
        { policy: 'energy:0.9', rank },
      ])
    }
    // Of the largest number of rows and all that they tell, none but the first variant has controls.
    expect(study.rows.map(({ policy }) => policy).filter((policy) => policy === 'ridge:0.1')).toHaveLength(16)
  })

  it('reports progress shift by shift, after that of the images', async () => {
    const told: string[] = []
    await runStudy(await load(), train, validation, {
      batchSizes: [3],
      draws: 2,
      biases: ['fixed', 'absorb'],
      limit: 10,
      chunk: 5,
      onProgress: ({ phase, done, total }) => void told.push(`${phase} ${done}/${total}`),
    })
    const of = (phase: string) => told.filter((line) => line.startsWith(phase))
    expect(of('shifts')).toEqual([1, 2, 3, 4].map((done) => `shifts ${done}/4`))
    expect(of('validation images').at(-1)).toBe('validation images 10/10')
    const first = of('training images').at(-1)!
    expect(first).toMatch(/ ([0-9]+)\/\1$/)
    expect(told.indexOf(first)).toBeLessThan(told.indexOf(of('validation images')[0]!))
    expect(told.at(-1)).toBe('shifts 4/4')
  })

  it('is marked with what a shift would have said', async () => {
    const { rows } = await runStudy(await load(), train, validation, {
      batchSizes: [6],
      draws: 1,
      policies: [
        { policy: 'fixed', rank: 4 },
        { policy: 'ridge', lambda: 0.1 },
        { policy: 'logits', delta: 1e9 },
      ],
    })
    const [cut, ridge, nothing] = rows as [StudyRow, StudyRow, StudyRow]
    const a = await (await denseNetwork(await load())).of(
      train,
      sampleIndices(train, { size: 6, sampling: 'stratified', seed: 0 }),
    )
    const sigma = torch.linalg_svdvals(a).toArray() as number[]
    expect(cut.rolledBack).toContain(String(cut.batchLogitChange))
    expect(cut.warnings).toHaveLength(2)
    expect(cut.warnings[0]).toContain((sigma[3]! / sigma[4]!).toPrecision(3)) // no gap
    expect(cut.warnings[1]).toContain(cut.rolledBack!)
    expect(cut.singularValues).toEqual({
      first: expect.closeTo(sigma[0]!, 9),
      last: expect.closeTo(sigma[3]!, 9),
      next: expect.closeTo(sigma[4]!, 9),
    })
    expect(ridge.rolledBack).toBeNull()
    expect(ridge.warnings).toEqual([expect.stringContaining(ridge.batchLogitChange.toPrecision(2))])
    expect(ridge.rank).toBe(6)
    expect(nothing).toMatchObject({ rank: 0, normAfter: 0, singularValues: { last: 0 } })
  })
})

describe('a study of half precision', () => {
  it('counts what rounding to it moves', async () => {
    const model = await load()
    await model.to({ dtype: 'bfloat16' })
    const half = (data: Dataset): Dataset => ({
      ...data,
      load: async (indices) => {
        const loaded = await data.load(indices)
        return { ...loaded, images: loaded.images.to('bfloat16') }
      },
    })
    const { rows } = await runStudy(model, half(train), half(validation), {
      batchSizes: [4],
      draws: 1,
      policies: [{ policy: 'fixed', rank: 3 }],
    })
    const other = await load()
    await other.to({ dtype: 'bfloat16' })
    const record = await shiftOptimum(other, half(train), {
      batchSize: 4,
      rank: { policy: 'fixed', rank: 3 },
      logitBudget: 10,
    })
    expect(rows[0]!.normAfter).toBeCloseTo(record.normAfter, 12)
    expect(rows[0]!.batchLogitChange).toBeCloseTo(record.batchLogitChange, 12)
    expect(rows[0]!.normBefore).toBeCloseTo(record.normBefore, 12)
  })
})
