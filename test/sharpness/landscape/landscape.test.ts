import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset, Progress } from '../../../src/data/index.js'
import { idxFolder, preprocessOf, ScriptModule, shiftOptimum, subset } from '../../../src/index.js'
import {
  compareLandscapes,
  type Landscape,
  type LandscapeOptions,
  landscape,
} from '../../../src/sharpness/index.js'
import { drawDirection, movableParameters } from '../../../src/sharpness/landscape/directions.js'
import { memoryStats, torch } from '../../../src/torch/index.js'
import { vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { dataset as precisionData } from '../../support/precision.js'
import { reference } from '../../support/python.js'
import { largestDifference } from '../../support/tensors.js'

let model: ScriptModule
let shifted: ScriptModule
let shiftedFile: string
let train: Dataset

const headOf = (module: ScriptModule) => {
  const parameters = module.namedParameters()
  return { weight: parameters.get('fc.weight')!, bias: parameters.get('fc.bias') ?? null }
}

beforeAll(async () => {
  model = await ScriptModule.load(demoModel)
  shifted = await ScriptModule.load(demoModel)
  train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
  await shiftOptimum(shifted, train, { batchSize: 30 })
  shiftedFile = join(temporaryFolder(), 'shifted.pt')
  await shifted.save(shiftedFile)
})

const python = (found: Landscape, models: readonly string[], images: object) =>
  reference('landscape', {
    models,
    directionSeed: found.seed,
    axis: found.x,
    normalize: found.normalize,
    ignore: found.ignore,
    indices: found.indices,
    ...images,
  })

/** The largest difference of the losses, each by its own size if that is above 1. */
function lossDifference({ surfaces }: Landscape, expected: readonly { loss: number[][] }[]): number {
  expect(surfaces).toHaveLength(expected.length)
  const differences = surfaces.flatMap(({ loss }, s) =>
    loss.flatMap((row, i) =>
      row.map((value, j) => {
        const truth = expected[s]!.loss[i]![j]!
        return Math.abs(value! - truth) / Math.max(1, truth)
      }),
    ),
  )
  return Math.max(...differences)
}

describe('landscape', () => {
  it.each<LandscapeOptions>([
    { normalize: 'filter', ignore: 'biasbn', chunk: 20 },
    { normalize: 'filter', ignore: 'none', range: 0.3 },
    { normalize: 'layer', ignore: 'biasbn', range: 0.5 },
    { normalize: 'none', ignore: 'biasbn', range: 0.01 },
  ])("has PyTorch's losses before and after a shift, on the same directions: %o", async (options) => {
    const found = await landscape(model, [headOf(shifted)], train, {
      grid: 3,
      samples: 48,
      seed: 4,
      ...options,
    })
    const expected = await python(found, [demoModel, shiftedFile], { folder: fashionMnist })
    expect(lossDifference(found, expected)).toBeLessThan(1e-5)
    expect(found.surfaces.map(({ accuracy }) => accuracy)).toEqual(
      expected.map(({ accuracy }: { accuracy: number[][] }) =>
        accuracy.map((row) => row.map((value) => expect.closeTo(value, 9))),
      ),
    )
  })

  it.each([
    ['mlp.scripted.pt', { ignore: 'none' }],
    ['heads.OldWithoutBias.pt', {}],
    ['heads.Softmax.pt', { outputs: 'probabilities' }],
    ['heads.FeaturesFirst.pt', { output: 1 }],
  ] as const)('is exact in float64, without BatchNorm: %s', async (name, own) => {
    const network = await ScriptModule.load(fixture(name))
    const found = await landscape(network, [], vectors(20), { grid: 5, chunk: 7, ...own })
    const images = { shape: [20, 6], seed: 7, classes: 3 }
    const expected = await python(found, [fixture(name)], { ...images, ...own, ignore: found.ignore })
    expect(lossDifference(found, expected)).toBeLessThan(1e-12)
  })

  it('gives each filter of a direction the norm of the filter of the weights', async () => {
    const parameters = movableParameters(model)
    const direction = drawDirection(parameters, new torch.Generator(3), {})
    for (const [name, parameter] of parameters) {
      const part = direction.get(name)
      expect(part === undefined).toBe(parameter.ndim < 2)
      if (part === undefined) continue
      const filters = (tensor: typeof part) =>
        (tensor.to('float64').reshape([parameter.shape[0]!, -1]).toArray() as number[][]).map((row) =>
          Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)),
        )
      const [own, norms] = [filters(part), filters(parameter)]
      expect(Math.max(...own.map((norm, i) => Math.abs(norm / norms[i]! - 1)))).toBeLessThan(1e-6)
    }
  })

  it('measures two heads in one pass as in two', async () => {
    const options = { grid: 3, samples: 32, seed: 1 }
    const both = await landscape(model, [headOf(model), headOf(shifted)], train, options)
    const own = await landscape(model, [], train, options)
    const one = await landscape(model, [headOf(shifted)], train, options)
    const flat = (surface: Landscape['surfaces'][number]) => surface.loss.flat() as number[]
    expect(flat(both.surfaces[1]!)).toEqual(flat(both.surfaces[0]!))
    expect(largestDifference(flat(both.surfaces[2]!), flat(one.surfaces[1]!))).toBeLessThan(1e-12)
    expect(largestDifference(flat(both.surfaces[0]!), flat(own.surfaces[0]!))).toBeLessThan(1e-5)
  })

  it('leaves the models as they were, in weights and mode', async () => {
    const network = (await ScriptModule.load(demoModel)).train()
    const before = [...network.stateDict()].map(([name, tensor]) => [name, tensor.clone()] as const)
    const head = headOf(shifted)
    const { tensors } = memoryStats()
    await landscape(network, [head], train, { grid: 2, samples: 8 })
    expect(memoryStats().tensors).toBeLessThanOrEqual(tensors) // less if old ones are collected meanwhile
    expect(network.training).toBe(true)
    const after = network.stateDict()
    expect(before.every(([name, tensor]) => tensor.equal(after.get(name)!))).toBe(true)
  })

  it('has the centre on an odd grid, and beside an even one', async () => {
    const options = { samples: 16, seed: 2 }
    const odd = await landscape(model, [], train, { ...options, grid: 3 })
    expect(odd.x).toEqual([-1, 0, 1])
    const { loss, accuracy, centre } = odd.surfaces[0]!
    expect([loss[1]![1], accuracy[1]![1]]).toEqual([centre.loss, centre.accuracy])
    const even = await landscape(model, [], train, { ...options, grid: 2 })
    expect(even.x).toEqual([-1, 1])
    expect(even.surfaces[0]!.centre).toEqual(centre)
    expect(even.surfaces[0]!.loss).toEqual([
      [loss[0]![0], loss[0]![2]],
      [loss[2]![0], loss[2]![2]],
    ])
    const one = await landscape(model, [], train, { ...options, grid: 1 })
    expect(one.surfaces[0]).toMatchObject({ loss: [[centre.loss]], centre })
  })

  it('says null where the loss is not a number, and goes on', async () => {
    const { surfaces } = await landscape(model, [], train, {
      grid: 3,
      samples: 8,
      normalize: 'none',
      range: 1e38,
    })
    const { loss, accuracy, centre } = surfaces[0]!
    expect(loss.flat().filter((value) => value === null)).toHaveLength(8)
    expect(accuracy[0]![0]).toBe(null)
    expect(loss[1]![1]).toBe(centre.loss)
    expect(centre.loss).toBeGreaterThan(0)
  })

  it('reports progress over all images and points, and can be ended', async () => {
    const seen: Progress[] = []
    const options = { grid: 3, samples: 10, chunk: 4 }
    await landscape(model, [], train, { ...options, onProgress: (progress) => void seen.push(progress) })
    expect(seen).toHaveLength(27)
    expect(seen.at(-1)).toMatchObject({ done: 90, total: 90 })
    const controller = new AbortController()
    const ended = landscape(model, [], train, {
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(ended).rejects.toThrow('enough')
  })

  it('leaves corrupt images out', async () => {
    const network = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const good = await landscape(network, [], subset(vectors(9), [0, 1, 2, 4, 5, 6, 7, 8]), { grid: 3 })
    const hole = await landscape(network, [], vectors(9, [3]), { grid: 3, chunk: 4 })
    expect([hole.samples, hole.indices.length]).toEqual([8, 9])
    const flat = ({ surfaces }: Landscape) => surfaces[0]!.loss.flat() as number[]
    expect(largestDifference(flat(hole), flat(good))).toBeLessThan(1e-12)
  })

  it.each(['float16', 'bfloat16', 'half_head', 'casts', 'traced'])('%s can be measured', async (name) => {
    const network = await ScriptModule.load(fixture(`precision.${name}.pt`))
    const { surfaces, moved } = await landscape(network, [], await precisionData(), { grid: 3, samples: 16 })
    expect(surfaces[0]!.loss.flat().every((value) => Number.isFinite(value))).toBe(true)
    expect(moved).toBe(8 * 25 + 16 * 8 * 9 + 640)
    expect(new Set(surfaces[0]!.loss.flat()).size).toBe(9)
  })

  it.each([
    ['heads.ConvolutionHead.pt', 'ERR_NO_OUTPUT_LAYER'],
    ['resnet18.frozen.pt', 'ERR_FROZEN'],
  ])('refuses heads for %s', async (name, code) => {
    const network = await ScriptModule.load(fixture(name))
    const head = { weight: torch.ones([3, 6]), bias: null }
    await expect(landscape(network, [head], vectors(6), { grid: 1 })).rejects.toMatchObject({ code })
  })

  it('refuses what does not fit, before it runs', async () => {
    const head = { weight: torch.ones([10, 5]), bias: null }
    const refused = (body: Promise<unknown>) => expect(body).rejects
    await refused(landscape(model, [head], train)).toMatchObject({ code: 'ERR_SHAPE' })
    await refused(landscape(model, [], train, { range: 0 })).toThrow('above 0')
    await refused(landscape(model, [], train, { grid: 0 })).toThrow('from 1 to')
    await refused(landscape(model, [], train, { normalize: 'batch' as never })).toThrow("'filter', 'layer'")
    await refused(landscape(model, [], train, { ignore: 'all' as never })).toThrow("'biasbn' or 'none'")
    await refused(landscape(model, [], train, { outputs: 'probabilities' })).toMatchObject({
      code: 'ERR_PROBABILITIES',
    })
  })
})

describe('compareLandscapes', () => {
  it('shares the features of a shift, and has the surfaces of two passes', async () => {
    const options = { grid: 3, samples: 24 }
    const shared = await compareLandscapes(model, await ScriptModule.load(shiftedFile), train, options)
    expect(shared.sharedFeatures).toBe(true)
    const expected = await python(shared, [demoModel, shiftedFile], { folder: fashionMnist })
    expect(lossDifference(shared, expected)).toBeLessThan(1e-5)
  })

  it('passes twice if more differs, by the norms of the first', async () => {
    const other = await ScriptModule.load(demoModel)
    torch.noGrad(() => other.namedParameters().get('conv1.weight')!.mul_(0.5))
    const file = join(temporaryFolder(), 'other.pt')
    await other.save(file)
    const seen: Progress[] = []
    const found = await compareLandscapes(model, other, train, {
      grid: 3,
      samples: 24,
      onProgress: (progress) => void seen.push(progress),
    })
    expect(found.sharedFeatures).toBe(false)
    const expected = await python(found, [demoModel, file], { folder: fashionMnist })
    expect(lossDifference(found, expected)).toBeLessThan(1e-5)
    expect(seen.map(({ done }) => done)).toEqual(seen.map((_, i) => 24 * (i + 1)))
    expect(seen.at(-1)).toEqual({ done: 432, total: 432 })
  })

  it('refuses models of different shapes', async () => {
    const other = await ScriptModule.load(fixture('precision.float64.pt'))
    await expect(compareLandscapes(model, other, train)).rejects.toMatchObject({
      code: 'ERR_STATE_DICT_MISMATCH',
      message: expect.stringMatching(/same architecture but '.*' is .* in .*fashion-resnet.pt and/),
    })
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    await expect(compareLandscapes(model, frozen, train)).rejects.toMatchObject({ code: 'ERR_FROZEN' })
  })
})
