import { describe, expect, it } from 'vitest'
import { runStudy, ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { linearLayer } from '../../../src/shift/index.js'
import { type FeatureSource, frozenSource, hookedSource } from '../../../src/shift/study/feature-source.js'
import { cacheFeatures } from '../../../src/shift/study/features.js'
import { planStudy } from '../../../src/shift/study/study-plan.js'
import { ValidationMeter } from '../../../src/shift/study/validation-meter.js'

import { vectors } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const largest = (tensor: Tensor) => tensor.abs().max().item()
const notLast = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_NOT_LAST', message: expect.stringMatching(message) })

async function featuresOf(model: ScriptModule, images: Tensor): Promise<Tensor> {
  const [weight, bias] = ['weight', 'bias'].map((name) =>
    model.namedParameters().get(`hidden.${name}`)!.detach(),
  )
  return images.matmul(weight!.t()).add(bias!).tanh()
}

describe('a source of features', () => {
  const images = randn([5, 6], 2, 'float64')
  const rowsOf = (source: FeatureSource) => torch.noGrad(() => source.rows(images))

  it.each([
    ['Plain', undefined],
    ['Softmax', undefined],
    ['LogSoftmax', undefined],
    ['FeaturesFirst', 'logits'],
    ['LogitsAndFeatures', 0],
  ] as const)('gives what the last layer gets, by a hook: %s', async (name, item) => {
    const model = (await head(name)).eval()
    const source = hookedSource(model, linearLayer(model, 'fc'), item)
    const expected = await featuresOf(model, images)
    for (let i = 0; i < 2; i++) expect(largest((await rowsOf(source)).sub(expected))).toBeLessThan(1e-12)
    source.end()
    expect(model.hooked).toBe(false)
  })

  it.each([
    ['Scaled', 'fc', /its output is not the model's/],
    ['Plain', 'hidden', /its output is not the model's/],
    ['Tokens', 'fc', /one row for each image/],
    ['CalledTwice', 'fc', /one row for each image/],
    ['ByFlag', 'other', /one row for each image/],
    ['Booleans', 'fc', /its output is not the model's/],
  ])('refuses by a hook what is not the last layer: %s, %s', async (name, path, why) => {
    const model = (await head(name)).eval()
    const { inFeatures, outFeatures } = { inFeatures: 8, outFeatures: 3 }
    const source = hookedSource(model, { path, inFeatures, outFeatures, hasBias: true })
    await expect(rowsOf(source)).rejects.toEqual(notLast(why))
    await expect(rowsOf(source)).rejects.toEqual(notLast(new RegExp(`'${path}'`)))
    source.end()
  })

  it.each([
    ['Plain', undefined],
    ['FeaturesFirst', 'logits'],
  ] as const)('gives the same by a frozen copy, and leaves the model as it is: %s', async (name, item) => {
    const model = (await head(name)).eval()
    const before = model.namedParameters().get('fc.weight')!.detach().clone()
    const source = await frozenSource(model, linearLayer(model, 'fc'), item)
    expect(largest((await rowsOf(source)).sub(await featuresOf(model, images)))).toBeLessThan(1e-12)
    source.end()
    expect(model.namedParameters().get('fc.weight')!.equal(before)).toBe(true)
  })

  it('of a frozen copy of a model without a bias, and of one that returns no tensor', async () => {
    const model = (await head('OldWithoutBias')).eval()
    const source = await frozenSource(model, linearLayer(model, 'fc'))
    expect(largest((await rowsOf(source)).sub(await featuresOf(model, images)))).toBeLessThan(1e-12)
    source.end()
    const listed = (await head('Listed')).eval()
    const other = await frozenSource(listed, linearLayer(listed, 'fc'), 0)
    expect((await rowsOf(other)).shape).toEqual([5, 8])
    other.end()
  })

  it('names the layer whose inputs are no numbers', async () => {
    const model = (await head('Plain')).eval()
    const source = hookedSource(model, linearLayer(model))
    const broken = torch.noGrad(() => source.rows(images.div(0)))
    await expect(broken).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringContaining("'fc'"),
    })
    source.end()
  })
})

describe('cached features', () => {
  it('are taken 64 images at once, each once, with those that could not be read left out', async () => {
    const model = await head('Plain')
    const asked: number[] = []
    const data = vectors(140, [3, 70])
    const noting: typeof data = {
      ...data,
      load: (indices) => {
        asked.push(indices.length)
        return data.load(indices)
      },
    }
    const indices = Array.from({ length: 130 }, (_, i) => i + 2)
    const features = await cacheFeatures(model, linearLayer(model), noting, indices)
    expect(asked).toEqual([64, 64, 2])
    expect(features.skipped).toBe(2)
    expect(features.indices).toEqual(indices.filter((index) => index !== 3 && index !== 70))
    const { images } = await vectors(140).load(features.indices)
    expect(largest(features.rows.sub(await featuresOf(model, images)))).toBeLessThan(1e-12)
    const chunks: number[] = []
    await cacheFeatures(model, linearLayer(model), data, [0, 1, 2, 4, 5], {
      chunk: 2,
      onProgress: ({ done }) => void chunks.push(done),
    })
    expect(chunks.at(-1)).toBe(5)
  })

  it('of chunks of which none can be read count them', async () => {
    const model = await head('Plain')
    const features = await cacheFeatures(model, linearLayer(model), vectors(20, [2, 3]), [0, 1, 2, 3, 4], {
      chunk: 2,
    })
    expect([features.indices, features.skipped]).toEqual([[0, 1, 4], 2])
  })

  it('are the hook’s if the frozen copy is of another layer', async () => {
    // By data, the graph does not tell that the layer makes the output: the hook alone is asked.
    const model = await head('ChangedByData')
    const features = await cacheFeatures(model, linearLayer(model, 'fc'), vectors(3), [0, 1, 2], {
      frozen: true,
    })
    expect(features.rows.shape).toEqual([3, 8])
  })
})

describe('the meter of a study', () => {
  it('scores more rows than one product takes, and shows a part of them evenly', async () => {
    const [rows, weight] = [randn([2500, 4], 1, 'float64'), randn([3, 4], 2, 'float64')]
    const labels = Int32Array.from({ length: 2500 }, (_, i) => i % 3)
    const indices = [...labels.keys()]
    const map = { weight, bias: null }
    const meter = await ValidationMeter.open({ rows, indices, skipped: 0 }, labels, map, {})
    const to = { weight: weight.add(randn([3, 4], 3, 'float64').mul(0.1)), bias: null }
    const { drift, score, predictions, unseen } = await torch.noGrad(() =>
      meter.measure(to, new Set([0, 1, 2])),
    )
    const [z, zStar] = [map, to].map((one) => rows.matmul(one.weight.t()))
    const change = zStar!.sub(z!)
    expect([...predictions]).toEqual((zStar!.argmax(1).toArray() as unknown as bigint[]).map(Number))
    expect(drift.maxLogitChange).toBeCloseTo(largest(change), 12)
    expect(drift.meanLogitChange).toBeCloseTo(change.abs().amax([1]).mean().item(), 12)
    const right = zStar!
      .argmax(1)
      .eq(torch.tensor(labels, { dtype: 'int64' }))
      .to('float64')
      .mean()
      .item()
    expect(score.top1).toBeCloseTo(100 * right, 10)
    expect(unseen).toBeNull()
    const spread = change
      .amax([1])
      .sub(change.amin([1]))
      .toArray() as number[]
    const best = z!.topk(2, 1)[0].toArray() as [number, number][]
    expect(drift.sample).toHaveLength(300)
    for (const [i, one] of drift.sample.entries()) {
      const at = Math.floor((i * 2500) / 300)
      expect(one).toEqual({
        drift: Number(spread[at]!.toPrecision(5)),
        margin: Number((best[at]![0] - best[at]![1]).toPrecision(5)),
      })
    }
    meter.dispose()
    expect(rows.shape).toEqual([2500, 4]) // the features are their maker's
    expect(largest(rows)).toBeGreaterThan(0)
  })

  it('knows no margin of one class', async () => {
    const map = (value: number) => ({ weight: torch.tensor([[value]]), bias: null })
    const features = { rows: torch.tensor([[1], [2]]), indices: [0, 1], skipped: 0 }
    const meter = await ValidationMeter.open(features, new Int32Array(2), map(1), {})
    const { drift } = await torch.noGrad(() => meter.measure(map(3), new Set([0])))
    expect(drift).toMatchObject({ marginSafeShare: 1, changedPredictions: 0, maxLogitChange: 4 })
  })
})

describe('a plan', () => {
  it('has defaults, and sizes in their order without repetitions', () => {
    const plan = planStudy(vectors(40), { batchSizes: [9, 3, 9] })
    expect(plan).toMatchObject({
      batchSizes: [3, 9],
      policies: [{ policy: 'logits', delta: 1e-3 }],
      samplings: ['stratified'],
      biases: ['fixed'],
      solver: 'svd',
      seeds: [0, 1, 2, 3, 4],
    })
    expect(plan.batches.map(({ batchSize, seed, indices }) => [batchSize, seed, indices.length])).toEqual(
      [3, 9].flatMap((size) => [0, 1, 2, 3, 4].map((seed) => [size, seed, size])),
    )
    for (const { seed, indices } of plan.batches.slice(0, 5)) {
      const larger = plan.batches.find((batch) => batch.batchSize === 9 && batch.seed === seed)!
      expect(larger.indices.slice(0, 3)).toEqual(indices)
    }
  })

  it('is refused if a list is empty or a number is invalid', () => {
    const refused = (options: object, code: string, name: string) =>
      expect(() => planStudy(vectors(40), { batchSizes: [3], ...options })).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(name) }),
      )
    for (const name of ['batchSizes', 'policies', 'samplings', 'biases'])
      refused({ [name]: [] }, 'ERR_INVALID_ARGUMENT', name)
    for (const draws of [0, 1.5, 1e7]) refused({ draws }, 'ERR_INVALID_ARGUMENT', 'draws')
    refused({ seed: 0.5 }, 'ERR_INVALID_ARGUMENT', 'seed')
    refused({ batchSizes: [3, 0] }, 'ERR_BATCH_SIZE', 'batchSizes')
    refused({ batchSizes: [3, 41] }, 'ERR_BATCH_SIZE', '41')
    refused({ policies: [{ policy: 'fixed', rank: -1 }] }, 'ERR_RANK_POLICY', 'rank')
  })

  it('goes with numbers that are', async () => {
    const model = await head('Plain')
    for (const options of [{ limit: 0 }, { chunk: 0 }, { mapAbove: -1 }]) {
      await expect(
        runStudy(model, vectors(12), vectors(12), { batchSizes: [3], ...options }),
      ).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(Object.keys(options)[0]!),
      })
    }
  })
})
