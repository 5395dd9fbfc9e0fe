import { beforeAll, describe, expect, it } from 'vitest'
import {
  idxFolder,
  preprocessOf,
  ScriptModule,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../../src/index.js'
import { compareHeads, perSampleTrace } from '../../../src/sharpness/index.js'
import { datasetOf, vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const classes = ['a', 'b', 'c', 'd']
const nine = vectors(9)
const images = datasetOf('images', randn([7, 3, 9, 9], 3, 'float64'), classes)
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** A head near the layer's own, and one far from it. */
const headsOf = (model: ScriptModule, path: string) => {
  const weight = model.namedParameters().get(`${path}.weight`)!
  const bias = model.namedParameters().get(`${path}.bias`) ?? null
  const noise = randn([...weight.shape], 5, 'float64')
  return torch.noGrad(() => [
    { weight: weight.add(noise.mul(0.01)), bias },
    { weight: weight.mul(0.3).add(noise), bias: bias === null ? null : bias.add(1) },
  ])
}

const cases = [
  { name: 'curvature.relu', layer: '5', data: nine, images: { shape: [9, 6], seed: 7 } },
  { name: 'curvature.residual', layer: 'fc', data: nine, images: { shape: [9, 6], seed: 7 } },
  { name: 'image_layers.in_place_64', layer: 'fc', data: images, images: { shape: [7, 3, 9, 9], seed: 3 } },
  { name: 'image_layers.tokens_64', layer: 'head', data: images, images: { shape: [7, 3, 9, 9], seed: 3 } },
]

interface Expected {
  traces: number[]
  difference: number[]
}
let expected: Expected[][]
beforeAll(async () => {
  const asked = await Promise.all(
    cases.map(async ({ name, layer, images: given }) => {
      const model = await ScriptModule.load(fixture(`${name}.pt`))
      return headsOf(model, layer).map(({ weight, bias }) => ({
        ...{ model: fixture(`${name}.pt`), images: given, dtype: 'float64' },
        head: { layer, weight: weight.flatten().toArray(), bias: bias?.toArray() ?? null },
      }))
    }),
  )
  expected = await Promise.all(asked.map((two) => reference('per_sample', { cases: two })))
}, 60_000)

describe('compareHeads', () => {
  it.each(cases.map((one, i) => [one.name, i] as const))(
    'has the difference of each image, from single images with either head, to 1e-10: %s',
    async (name, i) => {
      const { layer, data } = cases[i]!
      const model = (await ScriptModule.load(fixture(`${name}.pt`))).train()
      for (const chunk of [4, 32]) {
        const heads = headsOf(model, layer)
        const { own, differences, indices, withoutGradient } = await compareHeads(model, layer, heads, data, {
          probes: 'exact',
          chunk,
        })
        const scale = mean(expected[i]![0]!.traces)
        for (const [k, index] of indices.entries()) {
          expect(Math.abs(own.perSample[k]! - expected[i]![0]!.traces[index]!)).toBeLessThan(1e-10 * scale)
          for (const [h, difference] of differences.entries()) {
            const error = Math.abs(difference.perSample[k]! - expected[i]![h]!.difference[index]!)
            expect(error, `${h} ${index}`).toBeLessThan(1e-10 * scale)
          }
        }
        expect(differences.map(({ probeStandardError }) => probeStandardError)).toEqual([0, 0])
        const parts = differences[0]!.byLayer.reduce((sum, { value }) => sum + value, 0)
        expect(Math.abs(parts - differences[0]!.value)).toBeLessThan(1e-10 * scale)
        expect(differences[0]!.byLayer.at(-1)!.path).toBe(layer)
        expect(withoutGradient).toEqual([])
      }
      expect(model.training).toBe(true)
    },
  )

  it('needs few probes, since what the heads have in common cancels', async () => {
    const model = await ScriptModule.load(fixture('image_layers.in_place_64.pt'))
    const data = datasetOf('many', randn([60, 3, 9, 9], 3, 'float64'), classes)
    const heads = headsOf(model, 'fc')
    const exact = await compareHeads(model, 'fc', heads, data, { probes: 'exact' })
    const drawn = await compareHeads(model, 'fc', heads, data, { probes: 30 })
    for (const [i, difference] of drawn.differences.entries()) {
      const error = Math.abs(difference.value - exact.differences[i]!.value)
      expect(error).toBeLessThan(4 * difference.probeStandardError!)
    }
    // The first head is near the layer's own, and so is its trace: the error is a small part of that of the trace.
    expect(drawn.differences[0]!.probeStandardError).toBeLessThan(0.1 * drawn.own.probeStandardError!)
  })

  it('has the difference of two traces after a shift of the demo, and its error over images', async () => {
    const [model, shifted] = await Promise.all([ScriptModule.load(demoModel), ScriptModule.load(demoModel)])
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    await shiftOptimum(shifted, train, { batchSize: 50 })
    const parameters = shifted.namedParameters()
    const head = { weight: parameters.get('fc.weight')!, bias: parameters.get('fc.bias')! }
    const options = { samples: 32, probes: 'exact' } as const
    const { own, differences, curvedBy } = await compareHeads(model, 'fc', [head], train, options)
    const [before, after] = [
      await perSampleTrace(model, train, options),
      await perSampleTrace(shifted, train, options),
    ]
    const each = after.perSample.map((value, i) => value - before.perSample[i]!)
    expect(Math.abs(own.value / before.value - 1)).toBeLessThan(1e-5)
    for (const [i, value] of each.entries()) {
      expect(Math.abs(differences[0]!.perSample[i]! - value)).toBeLessThan(
        2e-5 * (before.value + before.perSample[i]!),
      )
    }
    const spread = Math.sqrt(each.reduce((sum, value) => sum + (value - mean(each)) ** 2, 0) / 31 / 32)
    expect(differences[0]!.standardError / spread).toBeCloseTo(1, 2)
    expect(curvedBy).toBeNull()
  })

  it('takes the same signs for both heads of a model with many classes', async () => {
    const model = await ScriptModule.load(fixture('image_layers.wide_64.pt'))
    const seventy = Array.from({ length: 70 }, (_, i) => `${i}`)
    const data = datasetOf('many', randn([40, 3, 9, 9], 3, 'float64'), seventy)
    const heads = headsOf(model, 'fc')
    const exact = await compareHeads(model, 'fc', heads, data, { probes: 'exact' })
    const drawn = await compareHeads(model, 'fc', heads, data, { probes: 40 })
    for (const [i, difference] of drawn.differences.entries()) {
      const error = Math.abs(difference.value - exact.differences[i]!.value)
      expect(error).toBeLessThan(4 * difference.probeStandardError!)
      expect(difference.probeStandardError).toBeGreaterThan(0)
    }
  })

  it('draws by the confidence of all heads', async () => {
    const model = await ScriptModule.load(fixture('image_layers.biased_64.pt'))
    const data = datasetOf('many', randn([200, 3, 9, 9], 3, 'float64'), classes)
    const heads = headsOf(model, '8')
    const all = await compareHeads(model, '8', heads, data, { samples: 200, probes: 'exact' })
    const drawn = await compareHeads(model, '8', heads, data, {
      samples: 150,
      probes: 'exact',
      sampling: 'confidence',
    })
    for (const [i, difference] of drawn.differences.entries()) {
      const error = Math.abs(difference.value - all.differences[i]!.value)
      expect(error).toBeLessThan(4 * difference.standardError)
    }
  })

  it('refuses heads of another shape, and layers that are not the last', async () => {
    const code = (value: string) => expect.objectContaining({ code: value })
    const model = await ScriptModule.load(fixture('curvature.relu.pt'))
    const [head] = headsOf(model, '5')
    const wrong = (weight: Tensor, bias: Tensor | null) => compareHeads(model, '5', [{ weight, bias }], nine)
    await expect(wrong(head!.weight.t(), head!.bias)).rejects.toEqual(code('ERR_SHAPE'))
    await expect(wrong(head!.weight, null)).rejects.toThrow('a bias [3], but heads[0] has [3, 8] and no bias')
    await expect(compareHeads(model, '5', [], nine)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await expect(compareHeads(model, '5', [5 as never], nine)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await expect(compareHeads(model, '3', headsOf(model, '3'), nine)).rejects.toEqual(code('ERR_NOT_LAST'))
    const tied = await ScriptModule.load(fixture('image_layers.tied_head_64.pt'))
    await expect(compareHeads(tied, 'fc', headsOf(tied, 'fc'), images)).rejects.toThrow(
      'something else reads',
    )
    const kind = { outputs: 'probabilities' } as const
    await expect(compareHeads(model, '5', [head!], nine, kind)).rejects.toEqual(code('ERR_PROBABILITIES'))
    for (const [name, parameter] of model.namedParameters()) parameter.requiresGrad = name.startsWith('5')
    await expect(compareHeads(model, '5', [head!], nine)).rejects.toEqual(code('ERR_NO_GRADIENT'))
  })
})
