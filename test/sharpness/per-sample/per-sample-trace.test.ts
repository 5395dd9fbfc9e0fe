import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../../src/data/index.js'
import {
  idxFolder,
  preprocessOf,
  ScriptModule,
  sampleIndices,
  saveStateDict,
  subset,
  torch,
} from '../../../src/index.js'
import { hessianTrace, perSampleTrace } from '../../../src/sharpness/index.js'
import { datasetOf, vectors } from '../../support/datasets.js'
import { dataRoot, demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

interface Reference {
  traces: number[]
  layers: Record<string, number[]>
}

const file = (name: string) => fixture(`image_layers.${name}.pt`)
const classes = ['a', 'b', 'c', 'd']
const images = (dtype: 'float32' | 'float64', size = 7) =>
  datasetOf('images', randn([size, 3, 9, 9], 3, 'float64').to(dtype), classes)
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const far = (found: readonly number[], expected: readonly number[]) =>
  Math.max(...found.map((value, i) => Math.abs(value - expected[i]!) / Math.max(...expected.map(Math.abs))))

/** The error of one probe an image, from the spread of the images' values, which is no smaller. */
const noiseOf = ({ standardError }: { standardError: number }) => standardError

const ruled = ['in_place', 'grouped', 'biased', 'tokens', 'auxiliary', 'log_softmax']
const unruled = {
  tied: 'no rule for the layers of scale, twice.weight, twice.bias',
  windows: "'conv'",
  reversed: "'conv' mixes images",
}
const names = [...ruled, ...Object.keys(unruled)]

describe('perSampleTrace, exact', () => {
  it("has each image's value and each layer's part, in float64 to 1e-12 and in float32 to 1e-5", async () => {
    const cases = names.flatMap((name) => [
      { model: file(`${name}_64`), images: { shape: [7, 3, 9, 9], seed: 3 }, dtype: 'float64' },
      { model: file(name), images: { shape: [7, 3, 9, 9], seed: 3 }, dtype: 'float32' },
    ])
    const answers: Reference[] = await reference('per_sample', { cases })
    for (const [i, { model: path, dtype }] of cases.entries()) {
      const { traces, layers } = answers[i]!
      const model = (await ScriptModule.load(path)).train()
      for (const chunk of [3, 32]) {
        const options = { probes: 'exact', chunk, samples: 7 } as const
        const found = await perSampleTrace(model, images(dtype as 'float32'), options)
        const tolerance = dtype === 'float64' ? 1e-12 : 1e-5
        const expected = found.indices.map((index) => traces[index]!)
        expect(far(found.perSample, expected), path).toBeLessThan(tolerance)
        expect(far([found.value], [mean(traces)]), path).toBeLessThan(tolerance)
        const parts = found.byLayer.map(({ path: layer }) => mean(layers[layer]!))
        expect(
          far(
            found.byLayer.map(({ value }) => value),
            parts,
          ),
          path,
        ).toBeLessThan(tolerance)
        expect(found).toMatchObject({
          probes: 'exact',
          probeStandardError: 0,
          samples: 7,
          effectiveSamples: 7,
        })
      }
      expect(model.training).toBe(true)
    }
  })

  it('says why images were taken one at a time', async () => {
    for (const name of ruled) {
      const { oneByOne } = await perSampleTrace(await ScriptModule.load(file(name)), images('float32'), {
        samples: 4,
      })
      expect(oneByOne, name).toBeNull()
    }
    for (const [name, why] of Object.entries(unruled)) {
      const { oneByOne } = await perSampleTrace(await ScriptModule.load(file(name)), images('float32'), {
        samples: 4,
      })
      expect(oneByOne, name).toContain(why)
    }
  })

  it('is the trace of the dense Hessian of a float64 network, and of Gauss-Newton alone for a curved one', async () => {
    const curvatures = ['relu', 'residual', 'gelu', 'layer_norm', 'tied', 'shared_weight', 'gated']
    const cases = curvatures.map((name) => ({ model: fixture(`curvature.${name}.pt`) }))
    const dense = await reference('gauss_newton', { shape: [9, 6], seed: 7, classes: 3, cases })
    for (const [i, name] of curvatures.entries()) {
      const model = await ScriptModule.load(cases[i]!.model)
      const { value, curvedBy } = await perSampleTrace(model, vectors(9), { probes: 'exact' })
      expect(Math.abs(value / dense[i].gaussNewton - 1), name).toBeLessThan(1e-12)
      expect(curvedBy === null, name).toBe(i < 2)
      if (i < 2) expect(Math.abs(value / dense[i].hessian - 1), name).toBeLessThan(1e-11)
    }
  })

  it('has the values of single images of the demo and of ResNet-20, in float32 to 1e-5', async () => {
    const folder = temporaryFolder()
    const demo = await ScriptModule.load(demoModel)
    const subjects: [string, ScriptModule, Dataset][] = [
      [demoModel, demo, await idxFolder(fashionMnist, 'train', preprocessOf(demo))],
    ]
    if (dataRoot !== undefined) {
      const path = `${dataRoot}/checkpoints/resnet20.ts.pt`
      const cifar = datasetOf(
        'noise',
        randn([12, 3, 32, 32], 5),
        Array.from({ length: 10 }, (_, i) => `${i}`),
      )
      subjects.push([path, await ScriptModule.load(path), cifar])
    }
    for (const [i, [path, model, dataset]] of subjects.entries()) {
      const indices = sampleIndices(dataset, { size: 6, sampling: 'uniform', seed: 0 })
      const x = (await dataset.load(indices)).images
      await saveStateDict(`${folder}/${i}.pt`, new Map([['x', x]]))
      const model32 = { model: path, images: { file: `${folder}/${i}.pt` } }
      const [expected]: Reference[] = await reference('per_sample', { cases: [model32] })
      const found = await perSampleTrace(model, dataset, { samples: 6, probes: 'exact' })
      expect(found.indices).toEqual(indices)
      expect(found.oneByOne).toBeNull()
      for (const [k, value] of found.perSample.entries()) {
        expect(Math.abs(value / expected!.traces[k]! - 1), `${path} ${k}`).toBeLessThan(1e-5)
      }
    }
  })
})

describe('perSampleTrace, by random combinations', () => {
  const far = 4

  it('has the exact values for its mean, and says how far off it is', async () => {
    const model = await ScriptModule.load(file('in_place_64'))
    const data = images('float64', 40)
    const exact = await perSampleTrace(model, data, { probes: 'exact' })
    const drawn = await perSampleTrace(model, data, { probes: 300 })
    expect(drawn.indices).toEqual(exact.indices)
    expect(Math.abs(drawn.value - exact.value)).toBeLessThan(far * drawn.probeStandardError!)
    expect(drawn.probeStandardError).toBeLessThan(0.01 * exact.value)
    expect(drawn.probeStandardError).toBeGreaterThan(0)
    // The error over images contains that of the probes.
    const both = Math.hypot(exact.standardError, drawn.probeStandardError!)
    expect(Math.abs(drawn.standardError / both - 1)).toBeLessThan(0.25)
    const one = await perSampleTrace(model, data, { probes: 1 })
    expect(one.probeStandardError).toBeNull()
  })

  it('agrees with second derivatives on the demo', async () => {
    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const options = { samples: 48, seed: 1 }
    const first = await perSampleTrace(model, train, { ...options, probes: 'exact' })
    const second = await hessianTrace(model, train, { ...options, probes: 8 })
    expect(first.indices).toEqual(second.indices)
    expect(first.size).toBe(second.size)
    expect(Math.abs(first.value - second.trace)).toBeLessThan(far * second.standardError)
  })

  it('is the same for the same seed, and another for another', async () => {
    const model = await ScriptModule.load(file('grouped'))
    const values = await Promise.all(
      [4, 4, 5].map((seed) => perSampleTrace(model, images('float32'), { samples: 7, seed })),
    )
    expect(values[1]!.perSample).toEqual(values[0]!.perSample)
    expect(values[2]!.value).not.toBe(values[0]!.value)
  })
})

describe('perSampleTrace, by confidence', () => {
  it('has the mean over the whole dataset, with a far smaller error for a trained network', async () => {
    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const some = subset(train, [...Array(400).keys()])
    const all = await perSampleTrace(model, some, { samples: 400, probes: 1 })
    const drawn = await perSampleTrace(model, some, { samples: 100, sampling: 'confidence' })
    const error = Math.hypot(drawn.standardError, noiseOf(all))
    expect(Math.abs(drawn.value - all.value)).toBeLessThan(4 * error)
    expect(drawn.effectiveSamples).toBeGreaterThan(400)
    expect(drawn.samples).toBe(100)
    expect(drawn.indices.length).toBeLessThan(100)
    expect(new Set(drawn.indices).size).toBe(drawn.indices.length)
    expect(mean(drawn.perSample.map((value, i) => value * drawn.weights[i]!))).toBeCloseTo(drawn.value, 6)
  })

  it('leaves corrupt images out', async () => {
    const model = await ScriptModule.load(file('biased'))
    const data = datasetOf('holes', randn([30, 3, 9, 9], 3), classes, [0, 5, 6, 7])
    for (const sampling of ['uniform', 'confidence'] as const) {
      const { indices, perSample, weights } = await perSampleTrace(model, data, {
        samples: 30,
        sampling,
        chunk: 4,
      })
      expect(indices.filter((index) => [0, 5, 6, 7].includes(index))).toEqual([])
      expect(perSample).toHaveLength(indices.length)
      expect(weights).toHaveLength(indices.length)
    }
  })
})

describe('perSampleTrace', () => {
  const code = (value: string) => expect.objectContaining({ code: value })

  it('counts only parameters that require gradients', async () => {
    const model = await ScriptModule.load(file('grouped_64'))
    const all = await perSampleTrace(model, images('float64'), { probes: 'exact' })
    const parameters = model.namedParameters()
    parameters.get('2.weight')!.requiresGrad = false
    parameters.get('3.bias')!.requiresGrad = false
    const some = await perSampleTrace(model, images('float64'), { probes: 'exact' })
    expect(some.withoutGradient).toEqual(['2.weight', '3.bias'])
    expect(some.size).toBe(all.size - parameters.get('2.weight')!.numel() - parameters.get('3.bias')!.numel())
    const part = (trace: typeof all, path: string) =>
      trace.byLayer.find((layer) => layer.path === path)!.value
    expect(part(some, '0')).toBeCloseTo(part(all, '0'), 12)
    expect(part(some, '2')).toBeLessThan(part(all, '2'))
    expect(part(some, '3')).toBeLessThan(part(all, '3'))
  })

  it('counts draws of an image that share its probes', async () => {
    // 6 images and 400 draws: the probes of an image have one error for all of its draws.
    const model = await ScriptModule.load(file('in_place_64'))
    const few = images('float64', 6)
    const found = []
    for (let seed = 0; seed < 60; seed++) {
      found.push(await perSampleTrace(model, few, { samples: 400, sampling: 'confidence', probes: 2, seed }))
    }
    const values = found.map(({ value }) => value)
    const spread = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)))
    const told = Math.sqrt(mean(found.map(({ standardError }) => standardError ** 2)))
    expect(told / spread).toBeGreaterThan(0.75)
    expect(told / spread).toBeLessThan(1.35)
    const alone = perSampleTrace(model, few, { samples: 4, sampling: 'confidence', probes: 1 })
    await expect(alone).rejects.toThrow('2 or more for draws by confidence')
  })

  it('refuses what it cannot measure', async () => {
    const model = await ScriptModule.load(file('biased'))
    const data = images('float32')
    await expect(perSampleTrace(model, data, { probes: 'all' as never })).rejects.toEqual(
      code('ERR_INVALID_ARGUMENT'),
    )
    await expect(perSampleTrace(model, data, { sampling: 'stratified' as never })).rejects.toThrow(
      'uniform, confidence',
    )
    await expect(perSampleTrace(model, data, { samples: 8 })).rejects.toEqual(code('ERR_BATCH_SIZE'))
    await expect(perSampleTrace(model, data, { outputs: 'probabilities' })).rejects.toEqual(
      code('ERR_PROBABILITIES'),
    )
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    await expect(perSampleTrace(frozen, data)).rejects.toEqual(code('ERR_FROZEN'))
    const many = await ScriptModule.load(fixture('colours.1000.pt'))
    const large = datasetOf('large', torch.rand([2, 3, 8, 8]), classes)
    await expect(perSampleTrace(many, large, { probes: 'exact' })).rejects.toThrow('a model of 1000 classes')
  })
})
