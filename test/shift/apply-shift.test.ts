import { describe, expect, it } from 'vitest'
import { ScriptModule, shiftOptimum, type Tensor, torch } from '../../src/index.js'
import { applyShift, captureRows, drawBatch, shiftableLayer } from '../../src/shift/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const flat = (tensor: Tensor) => tensor.detach().to('float64').reshape([-1]).toTypedArray() as Float64Array
const rank = { policy: 'tolerance', tolerance: 1e-10 } as const
const mlp = () => ScriptModule.load(fixture('mlp.scripted.pt'))

/** The inputs of the last layer, tanh(Wx + b), by dense arithmetic. */
async function rowsOf(model: ScriptModule, indices: readonly number[]): Promise<Tensor> {
  const { images } = await vectors(40).load(indices)
  const [w, bias] = ['0.weight', '0.bias'].map((name) => model.namedParameters().get(name)!.detach())
  return images.matmul(w!.t()).add(bias!).tanh()
}

const projector = (a: Tensor) => a.t().matmul(torch.linalg_solve(a.matmul(a.t()), a))

describe('a shift in three steps', () => {
  it('writes V Aᵀ(AAᵀ)⁻¹A, on the rows that were captured', async () => {
    const model = await mlp()
    const data = vectors(40)
    const before = model.namedParameters().get('2.weight')!.detach().clone()
    const layer = shiftableLayer(model)
    const batch = drawBatch(data, layer, { batchSize: 3, sampling: 'uniform', seed: 5 })
    expect(batch).toMatchObject({ sampling: 'uniform', seed: 5 })
    expect(new Set(batch.indices).size).toBe(3)
    const captured = await captureRows(model, layer, data, batch.indices)
    const record = await applyShift(model, layer, data, { ...batch, ...captured }, { rank, heldOut: 8 })
    const a = await rowsOf(model, batch.indices)
    const shifted = model.namedParameters().get('2.weight')!
    expect(largestDifference(flat(shifted), flat(before.matmul(projector(a))))).toBeLessThan(1e-10)
    expect(record).toMatchObject({ layer: '2', rank: 3, sampling: 'uniform', seed: 5, batchSize: 3 })
    expect(record.certificate!.samples).toBe(8)
  })

  it('is what shiftOptimum does', async () => {
    const [first, second] = [await mlp(), await mlp()]
    const data = vectors(40)
    const options = { rank, heldOut: 5, seed: 2 }
    const whole = await shiftOptimum(first, data, { ...options, batchSize: 4 })
    const layer = shiftableLayer(second)
    const batch = drawBatch(data, layer, { batchSize: 4, seed: 2 })
    const captured = await captureRows(second, layer, data, batch.indices)
    const parts = await applyShift(second, layer, data, { ...batch, ...captured }, options)
    expect({ ...parts, milliseconds: 0 }).toEqual({ ...whole, milliseconds: 0 })
    const [a, b] = [first, second].map((model) => flat(model.namedParameters().get('2.weight')!))
    expect(a).toEqual(b)
  })

  it('projects companions on the directions that the weight keeps', async () => {
    const model = await mlp()
    const data = vectors(40)
    const companions = [randn([3, 8], 3, 'float64'), randn([3, 8], 4, 'float64')]
    const given = companions.map((one) => one.clone())
    const layer = shiftableLayer(model)
    const batch = drawBatch(data, layer, { indices: [2, 3, 5] })
    const { rows } = await captureRows(model, layer, data, batch.indices)
    const kept = projector(await rowsOf(model, batch.indices))
    await applyShift(model, layer, data, { ...batch, rows }, { rank, companions })
    for (const [i, one] of companions.entries()) {
      expect(largestDifference(flat(one), flat(given[i]!.matmul(kept)))).toBeLessThan(1e-10)
    }
  })

  it('refuses companions of a convolution, rows that are not of its groups, and samples that there are not', async () => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    const load = async (asked: readonly number[]) => ({
      images: randn([asked.length, 6, 11, 9], 3, 'float64'),
      indices: asked,
      skipped: [],
    })
    const data = { ...vectors(4), classes: ['a'], labels: new Int32Array(4), load }
    const layer = shiftableLayer(model, 'plain')
    const batch = drawBatch(data, layer, { indices: [0, 1] })
    const { rows } = await captureRows(model, layer, data, batch.indices)
    const weight = model.namedParameters().get('plain.weight')!
    const before = flat(torch.noGrad(() => weight.clone()))
    const refused = [
      [{ ...batch, rows }, { companions: [weight.clone()] }, 'ERR_INVALID_ARGUMENT'],
      [{ ...batch, rows: [] }, {}, 'ERR_INVALID_ARGUMENT'],
      [{ ...batch, rows, indices: [9] }, {}, 'ERR_INDICES'],
    ] as const
    for (const [captured, options, expected] of refused) {
      await expect(applyShift(model, layer, data, captured, options)).rejects.toEqual(code(expected))
    }
    expect(flat(weight)).toEqual(before)
  })
})
