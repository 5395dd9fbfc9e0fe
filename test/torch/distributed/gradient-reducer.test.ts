import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'

import { twoLayers } from '../../fixtures/two_layers.mjs'
import { runRanks } from '../../support/ranks.js'

type Gradients = unknown[]

/** The gradients of rank `rank` for a batch, in one process, without a reducer. */
async function gradientsOf(rank: number, batch: number): Promise<Tensor[]> {
  const { parameters, loss } = twoLayers(torch, rank)
  return torch.autograd.grad([loss(batch)], parameters)
}

/** Σ over the ranks and batches, divided by the number of ranks. */
async function meanOf(ranks: number[], batches: number[]): Promise<Tensor[]> {
  const all = await Promise.all(ranks.flatMap((rank) => batches.map((batch) => gradientsOf(rank, batch))))
  return all[0]!.map((_, i) =>
    torch
      .stack(all.map((gradients) => gradients[i]!))
      .sum(0)
      .div(ranks.length),
  )
}

function expectClose(received: Gradients, expected: Tensor[]): void {
  expect(received).toHaveLength(expected.length)
  for (const [i, tensor] of expected.entries()) {
    const difference = torch
      .tensor(received[i] as number[], { dtype: 'float64' })
      .sub(tensor)
      .abs()
      .max()
      .item()
    expect(difference).toBeLessThan(1e-14)
  }
}

describe('a GradientReducer', () => {
  it.each([2, 3])('takes the mean over %i ranks, at each step, of batches gathered too', async (size) => {
    const ranks = await runRanks('reducer', size)
    const all = Array.from({ length: size }, (_, rank) => rank)
    for (const [rank, { code, result, stderr }] of ranks.entries()) {
      expect(code, stderr).toBe(0)
      for (const step of [0, 1, 2]) expectClose(result.steps[step], await meanOf(all, [step]))
      expectClose(result.own, await meanOf([rank], [0]))
      expectClose(result.gathered, await meanOf(all, [0, 1]))
      expectClose(result.disposed, await meanOf([rank], [0]))
      expect(result.after.code).toBe('ERR_DISPOSED')
      expect(result.steps).toEqual(ranks[0]!.result.steps)
      expect(result.gathered).toEqual(ranks[0]!.result.gathered)
    }
  })

  it('keeps the weights of a training the same on all ranks, to the last bit', async () => {
    const [first, second] = await runRanks('train', 2)
    expect(first!.stderr).toBe('')
    expect(first!.result.weights).toBe(second!.result.weights)
    // The ranks had other images: the statistics of batch norm, which are not reduced, differ.
    expect(first!.result.own).not.toBe(second!.result.own)
  })

  it('rejects a backward that leaves parameters without a gradient', async () => {
    for (const { result } of await runRanks('lacking', 2)) {
      expect(result.first.code).toBe('ERR_PROCESS_GROUP')
      expect(result.first.message).toContain('at 4 got no gradient')
      expect(result.second.code).toBe('ERR_PROCESS_GROUP')
    }
  })

  it('rejects parameters that differ between the ranks', async () => {
    for (const { result } of await runRanks('other-parameters', 2)) {
      expect(result.first.code).toBe('ERR_PROCESS_GROUP')
      expect(result.first.message).toContain('GradientReducer.prepare(')
      expect(result.first.message).toContain('float32 [3]')
    }
  })

  it('rejects the backward if a rank is killed in its middle', async () => {
    const [first, second] = await runRanks('killed-backward', 2)
    expect(second!.signal).toBe('SIGKILL')
    expect(first!.result.first.code).toBe('ERR_PROCESS_GROUP')
    expect(first!.result.first.message).toContain('the reduction of gradients failed on rank 0 of 2')
    expect(first!.result.second.code).toBe('ERR_PROCESS_GROUP')
  })
})
