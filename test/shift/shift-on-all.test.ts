import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { ScriptModule, shiftOnAll, shiftOptimum, type Tensor, torch } from '../../src/index.js'
import { applyShift, captureChunks, StreamedSolve, shiftableLayer } from '../../src/shift/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const flat = (tensor: Tensor) => tensor.detach().to('float64').reshape([-1]).toTypedArray() as Float64Array
const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const weightOf = (model: ScriptModule, layer: string) => model.namedParameters().get(`${layer}.weight`)!

/** Samples of a subspace of the first layer's inputs: there is something to shift. */
function flatVectors(size: number, dimension: number): Dataset {
  const all = randn([size, dimension], 1, 'float64').matmul(randn([dimension, 6], 2, 'float64'))
  const load: Dataset['load'] = async (indices) => ({
    images: all.index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
    indices,
    skipped: [],
  })
  return { ...vectors(size), load }
}

describe('shiftOnAll', () => {
  it.each(['gram', 'svd'] as const)(
    'by %s is the shift of one batch that holds all samples',
    async (solver) => {
      const [model, other] = [await load(), await load()]
      const data = flatVectors(200, 4)
      const record = await shiftOnAll(model, data, { layer: '0', solver, chunk: 33 })
      const all = Array.from({ length: 200 }, (_, i) => i)
      const rank = { policy: 'fixed', rank: 4 } as const
      const one = await shiftOptimum(other, data, { layer: '0', indices: all, rank })
      expect(largestDifference(flat(weightOf(model, '0')), flat(weightOf(other, '0')))).toBeLessThan(1e-9)
      expect(record).toMatchObject({
        solver,
        sampling: 'all',
        batchSize: 200,
        rows: { count: 200, of: 'images' },
        rank: 4,
        identity: false,
        indices: [],
      })
      expect(record.normAfter).toBeCloseTo(one.normAfter, 9)
      // A hidden layer: only the whole model shows the classes.
      expect(record.certificate).toMatchObject({ samples: 200, changedPredictions: null })
      expect(record.measured).toEqual({ images: 200, changed: 0 })
      expect(record.certificate!.maxLogitChange).toBeLessThan(1e-3)
    },
  )

  it.each(['gram', 'svd'] as const)('absorbs into the bias, as one batch does, by %s', async (solver) => {
    const [model, other] = [await load(), await load()]
    const data = flatVectors(150, 3)
    await shiftOnAll(model, data, { layer: '0', solver, bias: 'absorb', chunk: 40 })
    const all = Array.from({ length: 150 }, (_, i) => i)
    const rank = { policy: 'fixed', rank: 3 } as const
    await shiftOptimum(other, data, { layer: '0', indices: all, rank, bias: 'absorb' })
    for (const name of ['0.weight', '0.bias']) {
      const [a, b] = [model, other].map((m) => flat(m.namedParameters().get(name)!))
      expect(largestDifference(a!, b!)).toBeLessThan(1e-9)
    }
  })

  it('is applyShift of the sums of all rows', async () => {
    const [model, other] = [await load(), await load()]
    const data = flatVectors(90, 4)
    const layer = shiftableLayer(other, '0')
    const sums = async () => {
      const solve = new StreamedSolve(layer.inFeatures)
      for await (const { rows } of captureChunks(other, layer, data, [...data.labels.keys()], {
        chunk: 20,
      })) {
        await solve.add(rows[0]!)
      }
      return { solves: [solve], images: 90 }
    }
    const companions = [torch.zeros([8, 6], { dtype: 'float64' })]
    for (const [batch, options] of [
      [await sums(), { companions }],
      [{ solves: [], images: 90 }, {}],
    ] as const) {
      await expect(applyShift(other, layer, data, batch, options)).rejects.toEqual(
        code('ERR_INVALID_ARGUMENT'),
      )
    }
    const { milliseconds: _, ...record } = await applyShift(other, layer, data, await sums())
    const { milliseconds: __, ...expected } = await shiftOnAll(model, data, { layer: '0', chunk: 20 })
    expect(record).toEqual(expected)
    expect(largestDifference(flat(weightOf(model, '0')), flat(weightOf(other, '0')))).toBe(0)
  })

  it('of features of full rank is the identity, and says so', async () => {
    const model = await load()
    const before = flat(weightOf(model, '2'))
    const record = await shiftOnAll(model, vectors(300))
    expect(record).toMatchObject({ layer: '2', identity: true, rank: 8, inFeatures: 8 })
    expect(largestDifference(flat(weightOf(model, '2')), before)).toBeLessThan(1e-12)
  })

  it('rolls back what moves any sample too far', async () => {
    const model = await load()
    const before = flat(weightOf(model, '0'))
    const rank = { policy: 'fixed', rank: 2 } as const
    await expect(shiftOnAll(model, vectors(100), { layer: '0', rank })).rejects.toEqual(
      code('ERR_SHIFT_VERIFICATION'),
    )
    expect(flat(weightOf(model, '0'))).toEqual(before)
  })

  it('refuses solvers and modes that need all rows at once, and tolerances that a Gram matrix has lost', async () => {
    const model = await load()
    const data = vectors(20)
    await expect(shiftOnAll(model, data, { solver: 'pinv' })).rejects.toEqual(code('ERR_SOLVER'))
    await expect(shiftOnAll(model, data, { bias: 'augment' })).rejects.toEqual(code('ERR_BIAS'))
    const rank = { policy: 'tolerance', tolerance: 1e-11 } as const
    await expect(shiftOnAll(model, data, { rank })).rejects.toEqual(code('ERR_TOLERANCE'))
    expect((await shiftOnAll(model, data, { rank, solver: 'svd' })).identity).toBe(true)
  })
})
