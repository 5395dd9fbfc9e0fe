import fc from 'fast-check'
import { expect, it } from 'vitest'

import { type Tensor, torch } from '../../src/index.js'
import { DriftAccumulator } from '../../src/shift/drift.js'
import { randn } from '../support/random.js'

it('is that of all rows at once, however they come', async () => {
  const a = randn([50, 6], 1)
  const [before, after] = [randn([6, 4], 2), randn([6, 4], 3)]
  const [biasBefore, biasAfter] = [randn([4], 4), randn([4], 5)]
  const wide = (tensor: Tensor) => tensor.to('float64')
  const moved = torch
    .linear(wide(a), wide(after).t(), wide(biasAfter))
    .sub(torch.linear(wide(a), wide(before).t(), wide(biasBefore)))
  const norms = moved.square().sum([1]).sqrt()
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), async (size) => {
      using drift = new DriftAccumulator(before, after, biasBefore, biasAfter)
      for (const chunk of a.split(size)) await drift.add(chunk)
      expect(drift.drift.rows).toBe(50)
      expect(drift.drift.largest).toBeCloseTo(moved.abs().max().item(), 12)
      expect(drift.drift.mean).toBeCloseTo(moved.abs().mean().item(), 12)
      expect(drift.drift.largestNorm).toBeCloseTo(norms.max().item(), 12)
      expect(drift.drift.meanNorm).toBeCloseTo(norms.mean().item(), 12)
    }),
    { numRuns: 10 },
  )
})

it('bounds the change of the cross-entropy of each row by √2 ‖Δz‖₂', async () => {
  const [a, before] = [randn([200, 6], 1, 'float64'), randn([6, 4], 2, 'float64')]
  const after = before.add(randn([6, 4], 3, 'float64').mul(0.3))
  const labels = torch.arange(200).remainder(4)
  const loss = (v: Tensor) => torch.cross_entropy_loss(a.matmul(v), labels, { reduction: 0 })
  const changes = loss(after).sub(loss(before)).abs()
  using drift = new DriftAccumulator(before, after)
  await drift.add(a)
  expect(changes.max().item()).toBeLessThanOrEqual(Math.SQRT2 * drift.drift.largestNorm)
  expect(changes.mean().item()).toBeLessThanOrEqual(Math.SQRT2 * drift.drift.meanNorm)
})

it('is nothing where the weight stays, and NaN where a row is', async () => {
  const v = randn([6, 4], 2)
  using none = new DriftAccumulator(v, v, randn([4], 3))
  await none.add(randn([10, 6], 1))
  expect(none.drift).toEqual({ rows: 10, largest: 0, mean: 0, largestNorm: 0, meanNorm: 0 })
  using broken = new DriftAccumulator(v, randn([6, 4], 5))
  await broken.add(torch.full([2, 6], Number.NaN))
  expect(broken.drift.largest).toBeNaN()
  await expect(broken.add(randn([10, 7], 1))).rejects.toEqual(expect.objectContaining({ code: 'ERR_SHAPE' }))
})
