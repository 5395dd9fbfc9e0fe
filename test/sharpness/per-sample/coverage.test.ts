import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../../src/index.js'
import { compareHeads, perSampleTrace } from '../../../src/sharpness/index.js'
import { datasetOf } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

// Of 200 intervals of 95 % from draws with different seeds, 190 should hold the truth, and 180 to 196 are within chance. The
// truth is the exact mean over all images.

const repetitions = 200
const population = datasetOf('population', randn([1500, 3, 9, 9], 3, 'float64'), ['a', 'b', 'c', 'd'])

let model: ScriptModule
let heads: Parameters<typeof compareHeads>[2]
let truth: { own: number; difference: number }
beforeAll(async () => {
  model = await ScriptModule.load(fixture('image_layers.in_place_64.pt'))
  const [weight, bias] = ['weight', 'bias'].map((name) => model.namedParameters().get(`fc.${name}`)!)
  heads = [
    { weight: torch.noGrad(() => weight!.mul(0.6).add(randn([4, 8], 5, 'float64').mul(0.2))), bias: bias! },
  ]
  const { own, differences } = await compareHeads(model, 'fc', heads, population, {
    samples: 1500,
    probes: 'exact',
  })
  truth = { own: own.value, difference: differences[0]!.value }
}, 60_000)

const share = (hits: readonly boolean[]) => hits.filter(Boolean).length / hits.length
const holds = (value: number, error: number, expected: number) => Math.abs(value - expected) <= 1.96 * error

describe('intervals of 95 in 100', () => {
  it.each(['uniform', 'confidence'] as const)(
    'over images hold the truth as often as they say: %s',
    async (sampling) => {
      const [own, difference]: boolean[][] = [[], []]
      for (let seed = 0; seed < repetitions; seed++) {
        const options = { samples: 60, probes: 2, seed, sampling, chunk: 64 }
        const found = await compareHeads(model, 'fc', heads, population, options)
        own!.push(holds(found.own.value, found.own.standardError, truth.own))
        difference!.push(
          holds(found.differences[0]!.value, found.differences[0]!.standardError, truth.difference),
        )
      }
      for (const hits of [own!, difference!]) {
        expect(share(hits)).toBeGreaterThanOrEqual(0.9)
        expect(share(hits)).toBeLessThanOrEqual(0.98)
      }
    },
  )

  it('over probes hold the exact value of the same images', async () => {
    const [own, difference]: boolean[][] = [[], []]
    const images = datasetOf('images', randn([40, 3, 9, 9], 4, 'float64'), ['a', 'b', 'c', 'd'])
    const exact = await compareHeads(model, 'fc', heads, images, { probes: 'exact' })
    for (let seed = 0; seed < repetitions; seed++) {
      const found = await compareHeads(model, 'fc', heads, images, { probes: 3, seed })
      const [drawn] = found.differences
      own!.push(holds(found.own.value, found.own.probeStandardError!, exact.own.value))
      difference!.push(holds(drawn!.value, drawn!.probeStandardError!, exact.differences[0]!.value))
    }
    for (const hits of [own!, difference!]) {
      expect(share(hits)).toBeGreaterThanOrEqual(0.9)
      expect(share(hits)).toBeLessThanOrEqual(0.98)
    }
  })

  it('are those of perSampleTrace, too', async () => {
    const hits: boolean[] = []
    for (let seed = 0; seed < repetitions; seed++) {
      const { value, standardError } = await perSampleTrace(model, population, {
        samples: 60,
        probes: 2,
        seed,
        chunk: 64,
      })
      hits.push(holds(value, standardError, truth.own))
    }
    expect(share(hits)).toBeGreaterThanOrEqual(0.9)
    expect(share(hits)).toBeLessThanOrEqual(0.98)
  })
})
