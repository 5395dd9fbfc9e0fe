import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../../src/index.js'
import { sos } from '../../support/cli.js'
import { fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { drawn, errorOfMean, matrices, mean, model, sharpness, train, writeShifted } from './thumbnail.js'

const folder = temporaryFolder()
const shifted = join(folder, 'shifted.pt')

beforeAll(() => writeShifted(shifted))

type Layers = Readonly<Record<string, readonly number[]>>

const exact = ['--probes', 'exact', '--by-layer']
const sumOfLayers = (layers: Layers): number[] =>
  Object.values(layers).reduce<number[]>((sum, layer) => layer.map((value, i) => value + (sum[i] ?? 0)), [])

/** The change of each layer in each image. */
const changeOf = (from: Layers, to: Layers): Layers =>
  Object.fromEntries(
    Object.entries(from).map(([layer, traces]) => [layer, traces.map((value, i) => to[layer]![i]! - value)]),
  )

/** Checks an exact trace against the traces of single images. */
// biome-ignore lint/suspicious/noExplicitAny: a part of the command's document
function expectTrace(trace: any, layers: Layers, { isBound = false } = {}) {
  const all = sumOfLayers(layers)
  expect(trace.value).toBeCloseTo(mean(all), 9)
  expect(trace.standardError).toBeCloseTo(errorOfMean(all), 9)
  expect(trace.probeStandardError).toBe(0)
  expect(trace.byLayer.map(({ path }: { path: string }) => path)).toEqual(Object.keys(layers))
  for (const { path, value, standardError } of trace.byLayer) {
    expect(value).toBeCloseTo(mean(layers[path]!), 9)
    // The command knows the errors of the layers of a second head only from above.
    if (isBound) expect(standardError).toBeGreaterThanOrEqual(errorOfMean(layers[path]!) - 1e-9)
    else expect(standardError).toBeCloseTo(errorOfMean(layers[path]!), 9)
  }
}

describe('sos sharpness, the trace', () => {
  it("--probes exact --by-layer: the traces of Python's Hessians of single images", async () => {
    const told = await sharpness(...[model, '--compare', shifted, '--samples', '30'], ...exact)
    const [first, second] = await Promise.all([model, shifted].map((path) => matrices(path, 30)))
    const [own, other] = [first.hessian.perImage, second.hessian.perImage]
    expectTrace(told.trace, own)
    expectTrace(told.compare.trace, other, { isBound: true })
    expectTrace(told.difference.trace, changeOf(own, other))
    expect(told.difference.trace.method).toBe('paired over the images, of the last layers')
    expect([told.withoutGradient, told.compare.withoutGradient]).toEqual([[], []])
    expect(told.trace).toMatchObject({
      samples: 30,
      sampling: 'uniform',
      probes: 'exact',
      method: 'image by image',
    })
  })

  it('--compare: models that differ elsewhere, paired over the images', async () => {
    const other = join(folder, 'other.pt')
    const changed = await ScriptModule.load(model)
    const bias = changed.namedParameters().get('first.bias')!
    torch.noGrad(() => bias.add_(0.1))
    await changed.save(other, { extraFiles: changed.extraFiles })
    const told = await sharpness(...[model, '--compare', other, '--samples', '30'], ...exact)
    const [first, second] = await Promise.all([model, other].map((path) => matrices(path, 30)))
    expectTrace(told.trace, first.hessian.perImage)
    expectTrace(told.compare.trace, second.hessian.perImage, { isBound: true })
    expectTrace(told.difference.trace, changeOf(first.hessian.perImage, second.hessian.perImage))
    expect(told.difference.trace.method).toBe('paired over the images')
  })

  it('--parameters: the trace of a block', async () => {
    const { trace, size, withoutGradient } = await sharpness(
      ...[model, '--samples', '30', '--parameters', 'first.*'],
      ...exact,
    )
    const { hessian } = await matrices(model, 30)
    expect([size, withoutGradient]).toEqual([170, []])
    expectTrace(trace, { first: hessian.perImage.first })
  })

  it('--sampling confidence: the trace of the whole dataset', async () => {
    const { trace } = await sharpness(
      model,
      '--sampling',
      'confidence',
      '--samples',
      '1500',
      '--probes',
      'exact',
    )
    const { trace: truth } = await reference('thumbnail_trace', { model, folder: fashionMnist })
    expect(trace).toMatchObject({ sampling: 'confidence', samples: 1500 })
    expect(trace.effectiveSamples).toBeGreaterThan(100)
    expect(Math.abs(trace.value - truth)).toBeLessThan(3 * trace.standardError)
    expect(trace.standardError).toBeLessThan(0.1 * truth)
  })

  it('adds what tr(H) has beside tr(G), for a network that is not piecewise linear', async () => {
    const curved = fixture('thumbnail.tanh.pt')
    const { trace } = await sharpness(curved, '--samples', '30', '--probes', 'exact')
    const { ggn, rest } = await matrices(curved, 30, 'Tanh')
    const { gaussNewton, rest: ours } = trace.parts
    const perImage = sumOfLayers(ggn.perImage)
    expect(gaussNewton.value).toBeCloseTo(mean(perImage), 9)
    expect(gaussNewton.standardError).toBeCloseTo(errorOfMean(perImage), 9)
    expect(ours.value).toBeCloseTo(mean(rest), 9)
    expect(ours.probeStandardError).toBeCloseTo(errorOfMean(rest), 9)
    expect(trace.value).toBeCloseTo(mean(perImage) + mean(rest), 9)
    expect([trace.standardError, trace.method]).toEqual([null, 'image by image, and the rest by Hutchinson'])
    expect(trace.probeStandardError).toBeCloseTo(errorOfMean(rest), 9)
    // That of the Gauss-Newton matrix is measured image by image.
    const alone = await sharpness(curved, '--samples', '30', '--operator', 'ggn', ...exact)
    expectTrace(alone.trace, ggn.perImage)
  })

  it('--samples: 4096 for the trace alone', async () => {
    const { trace } = await sharpness(model)
    expect(trace).toMatchObject({ samples: 4096, probes: 2 })
    const { indices, samples } = { indices: await drawn(model, 4096), samples: 4096 }
    expect(indices).toHaveLength(samples)
    const truth = await reference('thumbnail_trace', { model, folder: fashionMnist, indices })
    expect(Math.abs(trace.value - truth.trace)).toBeLessThan(3 * trace.probeStandardError)
  })

  it('--compare: no difference of a model from itself', async () => {
    const same = await sharpness(model, '--compare', model, '--samples', '32', '--probes', '3')
    for (const name of ['value', 'standardError', 'probeStandardError'])
      expect(same.difference.trace[name]).toBeCloseTo(0, 12)
  })

  it('refuses two models that see other images', async () => {
    const loaded = await ScriptModule.load(model)
    const record = JSON.parse(loaded.extraFiles['sos.json']!)
    record.preprocess.std = record.preprocess.std.map((one: number) => 2 * one)
    const other = join(folder, 'other.pt')
    await loaded.save(other, { extraFiles: { 'sos.json': JSON.stringify(record) } })
    for (const command of ['sharpness', 'landscape']) {
      const { code, stderr } = await sos(command, model, '--compare', other, ...train)
      expect(code).toBe(1)
      expect(stderr).toContain('the same preprocessing')
    }
    // What the command line says holds for both.
    const both = ['--std', '0.4', '--samples', '10', '--probes', 'exact']
    expect((await sharpness(model, '--compare', other, ...both)).difference.trace.value).toBeCloseTo(0, 12)
  })

  it('takes more draws than there are images', async () => {
    const options = ['--sampling', 'confidence', '--samples', '12000']
    expect((await sharpness(model, ...options)).trace.samples).toBe(12_000)
  })
})
