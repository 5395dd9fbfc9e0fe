import { describe, expect, it } from 'vitest'
import {
  type Dataset,
  ScriptModule,
  shiftLayers,
  shiftOnAll,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../src/index.js'
import { applyShift, captureRows, drawBatch, shiftableLayer } from '../../src/shift/index.js'
import { LayerWeights } from '../../src/shift/layer/layer-weights.js'
import { OutputWatch } from '../../src/shift/output-watch.js'
import { logitBudget } from '../../src/shift/verify-shift.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const parameter = (model: ScriptModule, name: string) => model.namedParameters().get(name)!.detach()
const largest = (tensor: Tensor) => tensor.abs().max().item()

/** A dataset that notes which samples it is asked for. */
function noting(data: Dataset) {
  const asked: number[][] = []
  const load: Dataset['load'] = (indices) => {
    asked.push([...indices])
    return data.load(indices)
  }
  return { data: { ...data, load }, asked }
}

describe('the logits of a batch', () => {
  it.each([
    [{}, 1e-3],
    [{ rank: { policy: 'tolerance' } }, 1e-3],
    [{ rank: { policy: 'fixed', rank: 3 } }, 1e-3],
    [{ rank: { policy: 'logits' } }, 1e-3],
    [{ rank: { policy: 'logits', delta: 0.5 } }, 0.5],
    [{ rank: { policy: 'logits', delta: 0 } }, 0],
    [{ rank: { policy: 'ridge', lambda: 0.1 } }, null],
    [{ rank: { policy: 'ridge', lambda: 0.1 }, logitBudget: 0.25 }, 0.25],
    [{ rank: { policy: 'logits', delta: 0.5 }, logitBudget: 0 }, 0],
  ] as const)('may move by what %j says', (options, budget) => {
    expect(logitBudget(options)).toBe(budget)
  })
})

describe('the samples held out', () => {
  it('are others than the batch, as many as asked for, drawn by the seed', async () => {
    const heldOutBy = async (options: object) => {
      const { data, asked } = noting(vectors(40))
      const record = await shiftOptimum(await head('Plain'), data, { batchSize: 4, ...options })
      const [batch, ...others] = asked
      expect(batch).toEqual(record.indices)
      const all = others.flat()
      expect(all.filter((index) => record.indices.includes(index))).toEqual([])
      expect(new Set(all).size).toBe(all.length)
      expect(record.certificate?.samples ?? 0).toBe(all.length)
      return all
    }
    expect(await heldOutBy({})).toEqual([])
    const first = await heldOutBy({ heldOut: 7 })
    expect(first).toHaveLength(7)
    expect(await heldOutBy({ heldOut: 7, seed: 0 })).toEqual(first)
    expect(await heldOutBy({ heldOut: 7, seed: 1 })).not.toEqual(first)
    // A batch that is given leaves the draw to the seed alone: uniformly, by the seed after the batch's.
    const order = torch.randperm(40, { generator: new torch.Generator(6) }).toArray() as unknown as bigint[]
    const expected = order.map(Number).filter((index) => index !== 2 && index !== 30)
    expect(await heldOutBy({ indices: [2, 30], heldOut: 5, seed: 5 })).toEqual(expected.slice(0, 5))
    expect((await heldOutBy({ heldOut: 36 })).sort((a, b) => a - b)).toHaveLength(36)
    expect(await heldOutBy({ heldOut: 1000 })).toHaveLength(36) // all that there are
  })

  it('certify by the weights as they are stored, of the layer that is named', async () => {
    const { data, asked } = noting(vectors(40))
    const [model, before] = [await head('Plain'), await head('Plain')]
    await model.to({ dtype: 'float32' })
    await before.to({ dtype: 'float32' })
    const record = await shiftOptimum(model, data, { layer: 'hidden', batchSize: 3, heldOut: 9, chunk: 4 })
    const { images } = await vectors(40).load(asked.slice(1, 4).flat())
    const outputs = (one: ScriptModule) =>
      images
        .to('float64')
        .matmul(parameter(one, 'hidden.weight').to('float64').t())
        .add(parameter(one, 'hidden.bias'))
    const change = outputs(model).sub(outputs(before)).abs().amax([1])
    expect(record.certificate).toMatchObject({ samples: 9, changedPredictions: null, maxLossChange: null })
    expect(record.certificate!.maxLogitChange).toBeCloseTo(largest(change), 6)
    expect(record.certificate!.meanLogitChange).toBeCloseTo(change.mean().item(), 6)
    // The model itself is asked for its predictions, before and after.
    expect(asked.slice(1)).toHaveLength(6)
    expect(asked.slice(1, 4)).toEqual(asked.slice(4))
    expect(record.measured!.images).toBe(9)
  })
})

describe('what a shift reports', () => {
  it('of the way to the output is what batch and others have borne out', async () => {
    const data = vectors(40)
    const told = async (name: string, ofBatch: (z: Tensor) => Tensor, heldOut: number) => {
      const model = await head(name)
      const layer = shiftableLayer(model, 'fc')
      const { rows } = await captureRows(model, layer, data, [1, 2])
      const [map] = torch.noGrad(() => new LayerWeights(model, 'fc').maps())
      const watch = new OutputWatch(model, layer, map!)
      watch.look(ofBatch(rows[0]!.matmul(map!.weight).add(map!.bias!)), rows, 2)
      const batch = { ...drawBatch(data, layer, { indices: [1, 2] }), rows, watch }
      return (await applyShift(model, layer, data, batch, { heldOut })).toOutput
    }
    const same = (z: Tensor) => z
    const other = (z: Tensor) => z.add(1)
    const softmax = (z: Tensor) => z.softmax(1)
    expect(await told('Plain', same, 0)).toEqual([])
    expect(await told('Plain', same, 5)).toEqual([])
    expect(await told('Plain', other, 0)).toBeNull()
    expect(await told('Plain', other, 5)).toBeNull()
    // The others show that the softmax is over the images.
    expect(await told('SoftmaxOverImages', softmax, 0)).toEqual(['aten::softmax'])
    expect(await told('SoftmaxOverImages', softmax, 5)).toBeNull()
  })

  it('of its time is no more than has passed', async () => {
    const model = await head('Plain')
    for (const shift of [
      () => shiftOptimum(model, vectors(40), { batchSize: 3 }),
      () => shiftOnAll(model, vectors(40), { rank: { policy: 'fixed', rank: 8 } }),
    ]) {
      const start = performance.now()
      const { milliseconds } = await shift()
      expect(milliseconds).toBeGreaterThan(0)
      expect(milliseconds).toBeLessThanOrEqual(performance.now() - start)
    }
  })

  it('is the bias mode and solver that were asked for, which move the bias or keep it', async () => {
    for (const [options, moved] of [
      [{}, false],
      [{ bias: 'fixed', solver: 'gram' }, false],
      [{ bias: 'absorb', solver: 'svd' }, true],
      [{ bias: 'augment', solver: 'svd' }, true],
    ] as const) {
      const [model, before] = [await head('Plain'), await head('Plain')]
      const record = await shiftOptimum(model, vectors(40), { batchSize: 3, ...options })
      expect(record).toMatchObject({ solver: 'svd', bias: 'fixed', ...options })
      const change = largest(parameter(model, 'fc.bias').sub(parameter(before, 'fc.bias')))
      expect(change > 1e-6).toBe(moved)
    }
  })
})

describe('shiftOnAll', () => {
  it('reports for all samples what holds for each', async () => {
    // Rows of a plane of the hidden layer's inputs: four directions of six are free.
    const plane = vectors(30)
    const { images: all } = await plane.load([...plane.labels.keys()])
    const flat = all.clone()
    flat.narrow(1, 2, 4).zero_()
    const data: Dataset = {
      ...plane,
      classes: ['a', 'b', 'c'],
      labels: Int32Array.from({ length: 30 }, (_, i) => i % 2),
      load: async (indices) => ({
        images: flat.index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
        indices,
        skipped: [],
      }),
    }
    const [model, before] = [await head('Plain'), await head('Plain')]
    const options = { layer: 'hidden', rank: { policy: 'tolerance', tolerance: 1e-6 }, chunk: 7 } as const
    const record = await shiftOnAll(model, data, options)
    const [now, old] = [parameter(model, 'hidden.weight'), parameter(before, 'hidden.weight')]
    // The columns of the inputs that are always zero are gone, and the others stay.
    expect(largest(now.narrow(1, 2, 4))).toBeLessThan(1e-12)
    expect(largest(now.narrow(1, 0, 2).sub(old.narrow(1, 0, 2)))).toBeLessThan(1e-9)
    const { milliseconds: _, certificate, singularValues, ...told } = record
    expect(told).toEqual({
      layer: 'hidden',
      solver: 'gram',
      policy: 'tolerance:0.000001',
      bias: 'fixed',
      batchSize: 30,
      rows: { count: 30, of: 'images' },
      sampling: 'all',
      seed: 0,
      indices: [],
      classesCovered: 2,
      classes: 3,
      unseenClasses: ['c'],
      rank: 2,
      inFeatures: 6,
      normBefore: expect.closeTo(old.norm().item(), 12),
      normAfter: expect.closeTo(now.norm().item(), 12),
      batchLogitChange: certificate!.maxLogitChange,
      dtype: 'float64',
      roundingChange: null,
      identity: false,
      toOutput: null,
      measured: { images: 30, changed: 0 },
      warnings: [],
    })
    const sigma = torch.linalg_svdvals(flat).toArray() as number[]
    expect(singularValues!.first).toBeCloseTo(sigma[0]!, 9)
    expect(singularValues!.last).toBeCloseTo(sigma[1]!, 9)
    expect(singularValues!.next).toBeLessThan(1e-6)
    const change = largest(flat.matmul(now.sub(old).t()))
    expect(Math.abs(certificate!.maxLogitChange - change)).toBeLessThan(1e-12)
    expect(certificate!.samples).toBe(30)
  })

  it('is written up to the budget, and no further', async () => {
    const rank = { policy: 'fixed', rank: 7 } as const
    const cut = await shiftOnAll(await head('Plain'), vectors(40), { rank, logitBudget: 1e9 })
    const moved = cut.certificate!.maxLogitChange
    expect(moved).toBeGreaterThan(1e-3)
    expect(cut.toOutput).toEqual([])
    const model = await head('Plain')
    const before = parameter(model, 'fc.weight').clone()
    for (const logitBudget of [undefined, 0.999 * moved]) {
      const options = { rank, ...(logitBudget !== undefined && { logitBudget }) }
      await expect(shiftOnAll(model, vectors(40), options)).rejects.toMatchObject({
        code: 'ERR_SHIFT_VERIFICATION',
        message: expect.stringContaining(String(moved)),
      })
      expect(parameter(model, 'fc.weight').equal(before)).toBe(true)
    }
    await shiftOnAll(model, vectors(40), { rank, logitBudget: 1.001 * moved })
    expect(parameter(model, 'fc.weight').equal(before)).toBe(false)
    const damped = { policy: 'ridge', lambda: 0.1 } as const
    const ridge = await shiftOnAll(await head('Plain'), vectors(40), { rank: damped })
    expect(ridge.certificate!.maxLogitChange).toBeGreaterThan(1e-3)
  })

  it('refuses invalid numbers and policies before it runs the model', async () => {
    const { data, asked } = noting(vectors(40))
    const model = await head('Plain')
    for (const [options, code] of [
      [{ logitBudget: -1 }, 'ERR_INVALID_ARGUMENT'],
      [{ chunk: 0 }, 'ERR_INVALID_ARGUMENT'],
      [{ rank: { policy: 'energy', share: 2 } }, 'ERR_RANK_POLICY'],
      [{ layer: 'nowhere' }, 'ERR_NO_SUCH_MODULE'],
    ] as const) {
      await expect(shiftOnAll(model, data, options as never)).rejects.toMatchObject({ code })
      await expect(shiftOptimum(model, data, options as never)).rejects.toMatchObject({ code })
    }
    for (const options of [{ chunk: 0 }, { rank: { policy: 'energy', share: 2 } }] as const) {
      await expect(shiftLayers(model, data, ['fc'], options)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|RANK_POLICY)$/),
      })
    }
    expect(asked).toEqual([])
    const few = { ...vectors(40), classes: ['a', 'b'], labels: new Int32Array(40) }
    for (const shift of [shiftOnAll, shiftOptimum])
      await expect(shift(model, few)).rejects.toMatchObject({ code: 'ERR_LABELS' })
  })
})

describe('shiftLayers', () => {
  it('of no layers does nothing', async () => {
    expect(await shiftLayers(await head('Plain'), vectors(12), [])).toEqual([])
  })

  it('takes the batch size that is given, and holds out as each shift does', async () => {
    const records = await shiftLayers(await head('Plain'), vectors(40), ['fc', 'hidden'], {
      batchSize: 2,
      heldOut: 5,
    })
    expect(
      records.map(({ layer, batchSize, certificate }) => [layer, batchSize, certificate!.samples]),
    ).toEqual([
      ['hidden', 2, 5],
      ['fc', 2, 5],
    ])
  })
})
