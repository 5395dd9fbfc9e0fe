import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { defaultTolerance, projectOnRowSpace, rowSpace } from '../../../src/shift/index.js'

import { randn } from '../../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()

describe('rowSpace', () => {
  const a = randn([5, 12], 1, 'float64')
  const v = randn([12, 4], 2, 'float64')

  it('is that of the normal equations where those are well conditioned', async () => {
    // The paper's equation 13: V* = Aᵀ(AAᵀ)⁻¹AV
    const formula = a
      .t()
      .matmul(torch.linalg_inv(a.matmul(a.t())))
      .matmul(a)
      .matmul(v)
    expect(largest((await projectOnRowSpace(await rowSpace(a), v)).sub(formula))).toBeLessThan(1e-12)
  })

  it('does not depend on the order, the scale or repetitions of the rows', async () => {
    const projected = await projectOnRowSpace(await rowSpace(a), v)
    for (const other of [
      a.flip([0]),
      a.mul(1e3),
      torch.cat([a, a.mul(2), torch.zeros([3, 12], { dtype: 'float64' })]),
    ]) {
      const space = await rowSpace(other)
      expect(space.rank).toBe(5)
      expect(largest((await projectOnRowSpace(space, v)).sub(projected))).toBeLessThan(1e-12)
    }
  })

  it('solves AV* = AV with the least norm of all solutions', async () => {
    const projected = await projectOnRowSpace(await rowSpace(a), v)
    expect(largest(a.matmul(projected.sub(v)))).toBeLessThan(1e-12)
    // Any other solution differs by something orthogonal to the row space.
    const inner = projected.mul(v.sub(projected)).sum().item()
    expect(Math.abs(inner)).toBeLessThan(1e-12)
  })

  it('cuts by the tolerance, relative to the largest singular value', async () => {
    const diagonal = torch.diag(torch.tensor([1, 1e-3, 1e-7, 0], { dtype: 'float64' }))
    expect((await rowSpace(diagonal)).rank).toBe(3)
    expect((await rowSpace(diagonal.to('float32'))).rank).toBe(2)
    const space = await rowSpace(diagonal, { rank: { policy: 'tolerance', tolerance: 1e-2 } })
    expect([space.rank, space.singularValues]).toEqual([1, [1, 1e-3, 1e-7, 0]])
  })

  it.each([
    ['float64', 1e-12],
    ['float32', 1e-6],
    ['float16', 1e-3],
    ['bfloat16', 1e-3],
  ] as const)('takes for noise what is below the tolerance of %s, %d', async (dtype, tolerance) => {
    expect(defaultTolerance(dtype)).toBe(tolerance)
    const power = 2 ** Math.floor(Math.log2(tolerance)) // exact in each dtype, and just below
    for (const [second, rank] of [
      [power, 1],
      [2 * power, 2],
    ] as const) {
      const diagonal = torch.diag(torch.tensor([1, second], { dtype: 'float64' })).to(dtype)
      expect((await rowSpace(diagonal)).rank).toBe(rank)
    }
  })

  it('of nothing but zeros is empty, and V* is zero', async () => {
    const space = await rowSpace(torch.zeros([3, 12]))
    expect(space.rank).toBe(0)
    expect(largest(await projectOnRowSpace(space, v))).toBe(0)
  })
})
