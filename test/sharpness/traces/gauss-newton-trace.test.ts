import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset, Progress } from '../../../src/data/index.js'
import {
  hessianTrace,
  idxFolder,
  preprocessOf,
  ScriptModule,
  sampleIndices,
  shiftOptimum,
} from '../../../src/index.js'
import { isPiecewiseLinear } from '../../../src/model/index.js'
import { compareWith, gaussNewtonTrace } from '../../../src/sharpness/index.js'

import { vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'

const code = (value: string) => expect.objectContaining({ code: value })

const nine = vectors(9)
const file = (name: string) => fixture(`curvature.${name}.pt`)
const load = (name: string) => ScriptModule.load(file(name))

const linear = ['relu', 'residual']
const curved =
  `gelu sigmoid softmax layer_norm gated tied shared_weight looped divided standardised chosen listed squared`.split(
    ' ',
  )
const drawn = [1, 4, 16].map((chunk) => ({ chunk, probes: 5, seed: 11 }))

interface Traces {
  hessian: number
  gaussNewton: number
  enumerated: number
  perProbe: number[][]
}

/** By dense matrices, of each network. */
let dense: Record<string, Traces>

beforeAll(async () => {
  const indices = sampleIndices(nine, { size: 8, sampling: 'uniform', seed: 11 })
  const names = [...linear, ...curved]
  const cases = names.map((name) => ({
    model: file(name),
    draws: name === 'residual' ? drawn.map((draws) => ({ ...draws, indices })) : [],
  }))
  const traces = await reference('gauss_newton', { shape: [9, 6], seed: 7, classes: 3, cases })
  dense = Object.fromEntries(names.map((name, i) => [name, traces[i]]))
})

describe('gaussNewtonTrace', () => {
  it.each(linear)('is the trace of the Hessian, within its error: %s', async (name) => {
    const { hessian, gaussNewton, enumerated } = dense[name]!
    // What the estimate rests on, exactly: the two matrices' traces, and the draw replaced by all signs.
    expect(Math.abs(gaussNewton / hessian - 1)).toBeLessThan(1e-10)
    expect(Math.abs(enumerated / hessian - 1)).toBeLessThan(1e-10)
    const model = await load(name)
    for (const chunk of [2, 9]) {
      const estimate = await gaussNewtonTrace(model, nine, { probes: 200, chunk })
      expect(Math.abs(estimate.trace - hessian)).toBeLessThan(4 * estimate.standardError)
      expect(estimate.standardError).toBeLessThan(0.1 * hessian)
      expect(estimate).toMatchObject({ curvedBy: null, samples: 9, probes: 200 })
    }
  })

  it("has PyTorch's squared gradients for the same draws, whatever the chunks", async () => {
    const model = (await load('residual')).train() // Python's is in eval mode
    for (const [i, options] of drawn.entries()) {
      const { perProbe } = await gaussNewtonTrace(model, nine, { ...options, samples: 8 })
      const expected = dense.residual!.perProbe[i]!
      expect(perProbe).toHaveLength(5)
      for (const [k, value] of perProbe.entries()) {
        expect(Math.abs(value / expected[k]! - 1)).toBeLessThan(1e-10)
      }
    }
  })

  it("agrees with Hutchinson's estimate on a trained network", async () => {
    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const options = { samples: 48, probes: 8, seed: 1 }
    const first = await gaussNewtonTrace(model, train, options)
    const second = await hessianTrace(model, train, options)
    expect(first.indices).toEqual(second.indices)
    expect(first.size).toBe(second.size)
    const error = Math.hypot(first.standardError, second.standardError)
    expect(Math.abs(first.trace - second.trace)).toBeLessThan(4 * error)
    expect(first.curvedBy).toBeNull()
  })

  it('of a curved network is still that of Gauss and Newton, and says so', async () => {
    const { hessian, gaussNewton } = dense.gelu!
    const estimate = await gaussNewtonTrace(await load('gelu'), nine, { probes: 300, chunk: 1 })
    expect(estimate.curvedBy).toBe('aten::gelu')
    expect(Math.abs(estimate.trace - gaussNewton)).toBeLessThan(4 * estimate.standardError)
    expect(Math.abs(estimate.trace - hessian)).toBeGreaterThan(4 * estimate.standardError)
  })

  it('compares two models on the same draws', async () => {
    const [first, second] = await Promise.all([ScriptModule.load(demoModel), ScriptModule.load(demoModel)])
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(first))
    await shiftOptimum(second, train, { batchSize: 30 })
    const options = { samples: 32, probes: 6 }
    const before = await gaussNewtonTrace(first, train, options)
    const after = await gaussNewtonTrace(second, train, options)
    const { difference, differenceStandardError } = compareWith(before, after)
    expect(difference).toBeCloseTo(after.trace - before.trace, 8)
    // What the two have in common cancels.
    expect(differenceStandardError).toBeLessThan(Math.hypot(before.standardError, after.standardError))
    expect(differenceStandardError).toBeGreaterThan(0)
    const again = await gaussNewtonTrace(first, train, options)
    expect(again.perProbe).toEqual(before.perProbe)
  })

  it('counts the images that were loaded, and leaves the mode as it was', async () => {
    const last = sampleIndices(nine, { size: 9, sampling: 'uniform', seed: 0 }).at(-1)!
    const hole: Dataset = {
      ...nine,
      load: async (indices) => {
        const rest = indices.filter((index) => index !== last)
        const skipped = rest.length < indices.length ? [{ index: last, path: 'x', reason: 'corrupt' }] : []
        return { ...(await nine.load(rest)), skipped }
      },
    }
    const model = (await load('relu')).train()
    const options = { probes: 2, chunk: 1 }
    const seen: number[] = []
    const onProgress = ({ done }: Progress) => seen.push(done)
    const part = await gaussNewtonTrace(model, hole, { ...options, onProgress })
    expect(part.perProbe).toEqual((await gaussNewtonTrace(model, nine, { ...options, samples: 8 })).perProbe)
    expect([seen.length, seen.at(-1)]).toEqual([17, 18]) // 8 images and the hole, twice each
    expect(model.training).toBe(true)
    const none: Dataset = { ...nine, load: () => nine.load([]) }
    await expect(gaussNewtonTrace(model, none, options)).rejects.toEqual(code('ERR_DATASET'))
  })

  it('refuses frozen modules, one probe and too many samples', async () => {
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    await expect(gaussNewtonTrace(frozen, nine)).rejects.toEqual(code('ERR_FROZEN'))
    const model = await load('relu')
    await expect(gaussNewtonTrace(model, nine, { probes: 1 })).rejects.toThrow('from 2 to')
    await expect(gaussNewtonTrace(model, nine, { samples: 10 })).rejects.toEqual(code('ERR_BATCH_SIZE'))
  })
})

describe('isPiecewiseLinear', () => {
  it.each(linear)('knows what networks for images are made of: %s', async (name) => {
    expect(isPiecewiseLinear(await load(name))).toBe(true)
  })

  it.each(curved)('does not take for it what is not, whose traces differ: %s', async (name) => {
    expect(isPiecewiseLinear(await load(name))).toBe(false)
    const { hessian, gaussNewton } = dense[name]!
    expect(Math.abs(hessian - gaussNewton)).toBeGreaterThan(1e-6 * Math.abs(hessian))
  })

  it('does not take for it a norm by the batch, in which samples have no Jacobian of their own', async () => {
    expect(isPiecewiseLinear(await load('batch_statistics'))).toBe(false)
  })

  it.each([
    ['resnet18.scripted.pt', true],
    ['resnet18.traced.pt', true],
    ['resnext50_32x4d.scripted.pt', true],
    ['shufflenet_v2_x1_0.scripted.pt', true],
    ['shufflenet_v2_x1_0.traced.pt', true],
    ['mlp.scripted.pt', false],
    ['hooks.scripted.pt', false],
    ['zoo.attention.pt', false],
    ['zoo.recurrent.pt', false],
  ])('%s: %s', async (name, expected) => {
    expect(isPiecewiseLinear(await ScriptModule.load(fixture(name)))).toBe(expected)
  })
})
