import { describe, expect, it } from 'vitest'
import { ScriptModule, shiftLayers, shiftOptimum, type Tensor, torch } from '../../src/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { largestDifference } from '../support/tensors.js'

const flat = (tensor: Tensor) => tensor.detach().to('float64').reshape([-1]).toTypedArray() as Float64Array

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))

describe('shiftLayers', () => {
  it('shifts in the order of the forward, whatever order they are named in, and keeps the batch', async () => {
    const [model, other] = [await load(), await load()]
    const data = vectors(40)
    const records = await shiftLayers(model, data, ['2', '0', '2'], { batchSize: 3, seed: 5 })
    expect(records.map(({ layer }) => layer)).toEqual(['0', '2'])
    expect(records[0]!.indices).toEqual(records[1]!.indices)
    const { images } = await data.load(records[0]!.indices)
    const [after, before] = await Promise.all(
      [model, other].map((m) => torch.noGrad(() => m.eval().forward(images))),
    )
    expect(largestDifference(flat(after!), flat(before!))).toBeLessThan(1e-3)
    // The same as one after the other.
    await shiftOptimum(other, data, { batchSize: 3, seed: 5, layer: '0' })
    await shiftOptimum(other, data, { batchSize: 3, seed: 5, layer: '2' })
    for (const [name, parameter] of model.namedParameters()) {
      expect(flat(parameter)).toEqual(flat(other.namedParameters().get(name)!))
    }
  })

  it('takes a batch that fits the smallest of them', async () => {
    const records = await shiftLayers(await load(), vectors(40), ['0', '2'])
    expect(records.map(({ batchSize }) => batchSize)).toEqual([3, 3]) // half of 6 inputs
  })

  it('puts weight and bias of the first back if the images of the second cannot be read', async () => {
    const model = await load()
    const values = () => [...model.namedParameters()].map(([name, tensor]) => [name, flat(tensor)])
    const before = values()
    const options = { batchSize: 3, bias: 'absorb' } as const
    await shiftLayers(model, vectors(40), ['0'], options)
    const changed = values().filter(([, now], i) => String(now) !== String(before[i]![1]))
    expect(changed.map(([name]) => name)).toEqual(['0.weight', '0.bias'])

    const other = await load()
    let loads = 0
    const data = {
      ...vectors(40),
      load: (indices: readonly number[]) =>
        loads++ === 0 ? vectors(40).load(indices) : Promise.reject(new Error('the disk')),
    }
    await expect(shiftLayers(other, data, ['0', '2'], options)).rejects.toThrow('the disk')
    expect(loads).toBe(2)
    expect([...other.namedParameters()].map(([name, tensor]) => [name, flat(tensor)])).toEqual(before)
  })

  it('puts all of them back if one fails', async () => {
    const model = await load()
    const before = [...model.namedParameters()].map(([name, tensor]) => [name, flat(tensor)])
    const rank = { policy: 'fixed', rank: 1 } as const
    const failed = shiftLayers(model, vectors(40), ['0', '2'], { batchSize: 5, rank, logitBudget: 1e-6 })
    await expect(failed).rejects.toEqual(expect.objectContaining({ code: 'ERR_SHIFT_VERIFICATION' }))
    expect([...model.namedParameters()].map(([name, tensor]) => [name, flat(tensor)])).toEqual(before)
  })
})
