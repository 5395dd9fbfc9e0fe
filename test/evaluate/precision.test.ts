import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  captureRows,
  type DType,
  evaluate,
  gaussNewtonTrace,
  hessianTrace,
  idx,
  lastLayerTrace,
  preprocessOf,
  ScriptModule,
  saveShifted,
  sgd,
  shiftOnAll,
  shiftOptimum,
  subset,
  type Tensor,
  Trainer,
  torch,
} from '../../src/index.js'
import { InferenceModel } from '../../src/model/inference-model.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { largestDifference } from '../support/tensors.js'

const load = (name: string) => ScriptModule.load(fixture(`precision.${name}.pt`))
const indices = Array.from({ length: 96 }, (_, i) => i * 7)
const epsilon = { float16: 2 ** -10, bfloat16: 2 ** -7, float32: 2 ** -23, float64: 2 ** -52 }

async function dataset(split: 'train' | 'test' = 'train') {
  return idx(fashionMnist, split, preprocessOf(await ScriptModule.load(demoModel)))
}

const models: [name: string, images: DType, rounding: number][] = [
  ['float16', 'float16', epsilon.float16],
  ['bfloat16', 'bfloat16', epsilon.bfloat16],
  ['float64', 'float64', epsilon.float32], // of the images, which are float32 before
  ['half_head', 'float32', epsilon.float16],
  ['head_first', 'float32', epsilon.float32],
  ['casts', 'float32', epsilon.float16],
  ['centred', 'bfloat16', epsilon.bfloat16],
  ['traced', 'float16', epsilon.float16],
]

const warnings: Error[] = []
const hear = (warning: Error) => void warnings.push(warning)
beforeEach(() => void process.on('warning', hear))
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  expect(warnings.splice(0).map(({ message }) => message)).toEqual([])
})

const python = (name: string, dtype: DType, more = {}) =>
  reference('precision', {
    model: fixture(`precision.${name}.pt`),
    folder: fashionMnist,
    dtype,
    indices,
    ...more,
  })

describe('evaluate', () => {
  it.each([...models, ['frozen', 'float16', epsilon.float16] as const])(
    '%s: the loss is that of Python on images in %s, by the fast copy too',
    async (name, dtype, rounding) => {
      const data = subset(await dataset(), indices)
      const { losses, logits } = await python(name, dtype)
      const mean = losses.reduce((a: number, b: number) => a + b) / losses.length
      const largest = Math.max(...logits.map(Math.abs))
      for (const optimize of [true, false]) {
        const { loss } = await evaluate(await load(name), data, { optimize })
        expect(Math.abs(loss - mean)).toBeLessThan(4 * rounding * largest)
      }
    },
    120_000,
  )

  it('the fast copy runs in half precision, and is as near to float32 as the model itself', async () => {
    for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
      const exact = (await ScriptModule.load(demoModel)).eval()
      const model = (await ScriptModule.load(demoModel)).eval()
      await model.to({ dtype })
      const fast = await InferenceModel.of(model)
      const { images } = await (await dataset()).load(indices)
      const right = (await exact.forward(images)).to('float64')
      const error = (logits: Tensor) => logits.sub(right).abs().mean().item()
      const own = error(await model.forward(images.to(dtype)))
      const copied = error((await fast.forward(images)) as Tensor)
      expect(fast.optimized).toBe(true)
      expect(copied).toBeLessThan(2 * own + 1e-6)
      fast.dispose()
    }
  }, 120_000)
})

describe('shift', () => {
  it.each(models.filter(([name]) => name !== 'head_first'))(
    '%s: V* is solved for in float64, and what rounding it costs is told',
    async (name, _, rounding) => {
      const [model, data] = [await load(name), await dataset()]
      const batch = indices.slice(0, 40)
      const layer = { path: 'fc', inFeatures: 64, outFeatures: 10 }
      const a = (await captureRows(model, layer as never, data, batch)).rows[0]!.to('float64')
      const weight = model.namedParameters().get('fc.weight')!
      const v = weight.detach().to('float64').t()
      const shift = await shiftOptimum(model, data, {
        indices: batch,
        rank: { policy: 'tolerance', tolerance: 1e-10 },
      })
      const vStar = torch.linalg_pinv(a, { rtol: 1e-10 }).matmul(a.matmul(v))
      const rounded = vStar.to(weight.dtype).to('float64')
      expect(shift.dtype).toBe(weight.dtype)
      expect(weight.to('float64').t().sub(rounded).abs().max().item()).toBeLessThanOrEqual(
        (weight.dtype === 'float64' ? 64 : 1) *
          epsilon[weight.dtype as 'float16'] *
          rounded.abs().max().item(),
      )
      const cost = a.matmul(rounded.sub(vStar)).abs().max().item()
      expect(shift.roundingChange).toBeGreaterThan(0.9 * cost - 1e-12)
      expect(shift.roundingChange).toBeLessThan(1.1 * cost + 1e-12)
      // The outputs moved by that and by the rounding of the layer's own arithmetic, and by nothing else.
      const largest = a.matmul(v).abs().max().item()
      expect(shift.batchLogitChange).toBeLessThan(cost + 4 * rounding * largest)
      const told = shift.warnings.filter((text) => text.includes('rounding to'))
      expect(told.length).toBe(cost > 1e-3 && rounding > epsilon.float32 ? 1 : 0)
      expect(shift.normAfter).toBeLessThan(shift.normBefore)
      const file = `${temporaryFolder()}/shifted.pt`
      await saveShifted(model, file, shift, {
        dataset: data.name,
        preprocess: preprocessOf(await ScriptModule.load(demoModel)),
      })
      const again = await ScriptModule.load(file)
      expect(again.namedParameters().get('fc.weight')!.equal(weight)).toBe(true)
    },
  )

  it('a shift on all images of a half-precision model certifies what is stored', async () => {
    const model = await load('float16')
    const shift = await shiftOnAll(model, subset(await dataset(), indices))
    expect(shift).toMatchObject({ dtype: 'float16', roundingChange: null })
  })
})

describe('sharpness', () => {
  it.each(models.filter(([name]) => !['half_head', 'head_first', 'casts', 'traced'].includes(name)))(
    '%s: the traces are those of the same numbers in float32',
    async (name, dtype) => {
      const [model, data] = [await load(name), subset(await dataset(), indices)]
      const own = { samples: 96, probes: 4, seed: 0 }
      const { perProbe } = await python(name, dtype, { probes: 4 })
      const trace = await hessianTrace(model, data, own)
      for (const [i, form] of trace.perProbe.entries()) {
        // Drawn in float64, the signs of a float64 model's probes are others.
        if (name !== 'float64') expect(Math.abs(form - perProbe[i])).toBeLessThan(1e-3 * Math.abs(form))
      }
      const many = { samples: 96, probes: 200, seed: 0 }
      const gaussNewton = await gaussNewtonTrace(model, data, many)
      const hutchinson = await hessianTrace(model, data, many)
      const spread = Math.hypot(gaussNewton.standardError, hutchinson.standardError)
      expect(Math.abs(gaussNewton.trace - hutchinson.trace)).toBeLessThan(4 * spread)
      const last = await lastLayerTrace(model, 'fc', data, own)
      expect(last.trace).toBeGreaterThan(0)
      expect(last.trace).toBeLessThan(hutchinson.trace + 4 * hutchinson.standardError)
      expect(model.parameters().every((parameter) => parameter.dtype === dtype)).toBe(true)
    },
    120_000,
  )

  it.each(['half_head', 'casts', 'traced'])('%s can be measured', async (name) => {
    const data = subset(await dataset(), indices)
    const many = { samples: 96, probes: 100 }
    const trace = await hessianTrace(await load(name), data, many)
    const gaussNewton = await gaussNewtonTrace(await load(name), data, many)
    const spread = Math.hypot(gaussNewton.standardError, trace.standardError)
    expect(Math.abs(gaussNewton.trace - trace.trace)).toBeLessThan(4 * spread)
  })
})

describe('training', () => {
  it.each(models.filter(([name]) => !['head_first', 'traced'].includes(name)))(
    '%s: a step is that of Python in the same dtype',
    async (name, dtype, rounding) => {
      const model = await load(name)
      const data = subset(await dataset(), indices)
      const lr = 0.125
      const { weights } = await python(name, dtype, { lr })
      await new Trainer(model, {
        data,
        epochs: 1,
        batchSize: indices.length,
        optimizer: sgd({ learningRate: lr }),
      }).run()
      for (const [path, parameter] of model.namedParameters()) {
        const own = Array.from(parameter.to('float64').detach().reshape([-1]).toTypedArray() as Float64Array)
        const expected = weights[path] as number[]
        // A gradient of half precision has few digits, in either order of the images.
        const scale = Math.max(...expected.map(Math.abs))
        expect(largestDifference(own, expected)).toBeLessThan(8 * rounding * Math.max(scale, 0.1))
      }
    },
  )
})
