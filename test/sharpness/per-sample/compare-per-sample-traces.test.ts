import { describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../../src/index.js'
import { comparePerSampleTraces, perSampleTrace } from '../../../src/sharpness/index.js'
import { datasetOf } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const images = datasetOf('images', randn([50, 3, 9, 9], 3, 'float64'), ['a', 'b', 'c', 'd'])

/** A network and a copy in which a parameter is moved by random numbers. */
async function pair(name: string, scale = 0.2, network = 'in_place'): Promise<[ScriptModule, ScriptModule]> {
  const model = await ScriptModule.load(fixture(`image_layers.${network}_64.pt`))
  const other = await model.clone()
  const parameter = other.namedParameters().get(name)!
  torch.noGrad(() => parameter.add_(randn([...parameter.shape], 9, 'float64').mul(scale)))
  return [model, other]
}

describe('comparePerSampleTraces', () => {
  it.each([
    ['fc.weight', 'heads'],
    ['fc.bias', 'heads'],
    ['conv2.weight', 'models'],
  ])('is the difference of the two traces of each image if %s differs', async (name, by) => {
    const [first, second] = await pair(name)
    for (const sampling of ['uniform', 'confidence'] as const) {
      const options = { samples: 30, probes: 'exact', sampling } as const
      const found = await comparePerSampleTraces(first, second, images, options)
      expect(found.by).toBe(by)
      // The other two measure whichever images this one drew.
      const all = { samples: 50, probes: 'exact' } as const
      const [before, after] = [
        await perSampleTrace(first, images, all),
        await perSampleTrace(second, images, all),
      ]
      const at = (trace: typeof before, index: number) => trace.perSample[trace.indices.indexOf(index)]!
      for (const [i, index] of found.first.indices.entries()) {
        const expected = at(after, index) - at(before, index)
        expect(Math.abs(found.first.perSample[i]! - at(before, index))).toBeLessThan(1e-10 * before.value)
        expect(Math.abs(found.second.perSample[i]! - at(after, index))).toBeLessThan(1e-10 * before.value)
        expect(Math.abs(found.difference.perSample[i]! - expected)).toBeLessThan(1e-10 * before.value)
      }
      expect(found.difference.standardError).toBeGreaterThan(0)
      expect(found.difference.probeStandardError).toBe(0)
    }
  })

  it('pairs the probes of two models', async () => {
    const [first, second] = await pair('conv2.weight', 0.01)
    const { first: one, difference } = await comparePerSampleTraces(first, second, images, { probes: 20 })
    const exact = await comparePerSampleTraces(first, second, images, { probes: 'exact' })
    expect(difference.probeStandardError).toBeLessThan(0.2 * one.probeStandardError!)
    expect(Math.abs(difference.value - exact.difference.value)).toBeLessThan(
      4 * difference.probeStandardError!,
    )
  })

  it('counts the parameters that a pattern matches', async () => {
    const [first, second] = await pair('fc.weight')
    const all = await comparePerSampleTraces(first, second, images, { probes: 'exact' })
    const some = await comparePerSampleTraces(first, second, images, {
      probes: 'exact',
      parameters: 'conv?.*',
    })
    expect(some.first.byLayer.map(({ path }) => path)).toEqual(['conv1', 'conv2'])
    const part = ({ byLayer }: { byLayer: typeof some.first.byLayer }, path: string) =>
      byLayer.find((layer) => layer.path === path)!.value
    for (const path of ['conv1', 'conv2']) {
      expect(part(some.difference, path)).toBeCloseTo(part(all.difference, path), 10)
    }
    expect(some.first.size).toBe(3 * 8 * 9 + 8 * 8 * 9)
  })

  it.each([
    ['log_softmax', undefined, 'heads'],
    ['tied_head', undefined, 'models'],
    ['in_place', 'fc.*', 'models'],
  ])('is the difference of the traces of %s, with the parameters %s', async (network, parameters, by) => {
    const [first, second] = await pair('fc.weight', 0.2, network)
    const options = { probes: 'exact', ...(parameters && { parameters }) } as const
    const found = await comparePerSampleTraces(first, second, images, options)
    const [before, after] = [
      await perSampleTrace(first, images, options),
      await perSampleTrace(second, images, options),
    ]
    expect(found.by).toBe(by)
    expect(Math.abs(found.first.value / before.value - 1)).toBeLessThan(1e-10)
    expect(Math.abs(found.difference.value - (after.value - before.value))).toBeLessThan(1e-10 * before.value)
  })

  it('looks for images that can be read', async () => {
    const [first, second] = await pair('fc.weight')
    const all = randn([50, 3, 9, 9], 3, 'float64')
    const holes = datasetOf('holes', all, ['a', 'b', 'c', 'd'], [0, 1, 2, 3, 4])
    const { by, first: own } = await comparePerSampleTraces(first, second, holes, { probes: 'exact' })
    expect([by, own.indices.length]).toEqual(['heads', 45])
  })

  it('refuses models of which other parameters require gradients', async () => {
    const [first, second] = await pair('fc.weight')
    second.namedParameters().get('conv1.weight')!.requiresGrad = false
    await expect(comparePerSampleTraces(first, second, images)).rejects.toThrow("but 'conv1.weight' does in")
    await expect(comparePerSampleTraces(second, first, images)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })

  it('refuses models of other parameters', async () => {
    const [first] = await pair('fc.weight')
    const other = await ScriptModule.load(fixture('image_layers.grouped_64.pt'))
    await expect(comparePerSampleTraces(first, other, images)).rejects.toMatchObject({
      code: 'ERR_STATE_DICT_MISMATCH',
    })
  })
})
