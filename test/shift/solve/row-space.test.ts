import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { defaultTolerance, projectOnRowSpace, rowSpace } from '../../../src/shift/index.js'
import { largestOf } from '../../../src/shift/solve/row-space.js'

import { randn } from '../../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()

describe('rowSpace', () => {
  const a = randn([5, 12], 1, 'float64')
  const v = randn([12, 4], 2, 'float64')

  it('is that of the normal equations if those are well conditioned', async () => {
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

const diagonal = (values: number[], rows = values.length, columns = values.length) => {
  const matrix = torch.zeros([rows, columns], { dtype: 'float64' })
  for (const [i, value] of values.entries()) matrix.at(i, i).fill_(value)
  return matrix
}

describe.each(['svd', 'gram'] as const)('the row space by %s', (decomposition) => {
  it.each([
    ['wide', [4, 9]],
    ['tall', [9, 4]],
    ['square', [5, 5]],
    ['one row', [1, 6]],
    ['one column', [6, 1]],
  ])('has the singular values and the projector of a %s matrix', async (_, shape) => {
    const a = randn(shape, 3, 'float64')
    const rank = Math.min(...shape)
    for (const scale of [1, 1e-150, 1e150]) {
      const space = await rowSpace(a.mul(scale), { decomposition, rank: { policy: 'fixed', rank } })
      const sigma = torch.linalg_svdvals(a).toArray() as number[]
      expect(space.singularValues.length).toBe(rank)
      for (const [i, value] of sigma.entries())
        expect(space.singularValues[i]! / scale / value).toBeCloseTo(1, 9)
      const projector = torch.linalg_pinv(a).matmul(a)
      expect(largest(space.basis.matmul(space.basis.t()).sub(projector))).toBeLessThan(1e-9)
      expect([space.rank, space.filter, space.coordinates]).toEqual([rank, null, undefined])
    }
  })

  it('keeps the coordinates of V if the policy needed them', async () => {
    const a = randn([4, 9], 3, 'float64').mul(torch.logspace(0, -5, 9, 10, { dtype: 'float64' }))
    const v = randn([9, 2], 4, 'float64')
    const space = await rowSpace(a, { decomposition, rank: { policy: 'logits', delta: 0.01 }, v })
    expect(space.rank).toBeGreaterThan(0)
    expect(space.rank).toBeLessThan(4)
    expect(space.coordinates!.shape).toEqual([space.rank, 2])
    expect(largest(space.coordinates!.sub(space.basis.t().matmul(v)))).toBeLessThan(1e-12)
    await expect(rowSpace(a, { decomposition, rank: { policy: 'logits' } })).rejects.toMatchObject({
      code: 'ERR_RANK_POLICY',
    })
  })

  it('is damped for ridge, by the squares of its singular values', async () => {
    const space = await rowSpace(diagonal([4, 2, 1]), {
      decomposition,
      rank: { policy: 'ridge', lambda: 0.25 },
    })
    expect(space.rank).toBe(3)
    expect(space.filter).toEqual([16 / 20, 4 / 8, 1 / 5].map((factor) => expect.closeTo(factor, 12)))
    const damped = await projectOnRowSpace(space, torch.ones([3, 1], { dtype: 'float64' }))
    expect(damped.flatten().toArray()).toEqual([0.8, 0.5, 0.2].map((factor) => expect.closeTo(factor, 12)))
  })

  it('of no rows, or of zeros, is empty', async () => {
    for (const a of [torch.zeros([0, 5]), torch.zeros([3, 5]), torch.zeros([5, 3])]) {
      const space = await rowSpace(a, { decomposition })
      expect([space.rank, space.basis.shape]).toEqual([0, [a.shape[1], 0]])
      expect(
        largest(await projectOnRowSpace(space, torch.ones([a.shape[1]!, 2], { dtype: 'float64' }))),
      ).toBe(0)
    }
  })
})

describe('the floor of the arithmetic', () => {
  const rankOf = async (values: number[], decomposition: 'svd' | 'gram', columns = values.length) =>
    (
      await rowSpace(diagonal(values, values.length, columns), {
        decomposition,
        rank: { policy: 'fixed', rank: 99 },
      })
    ).rank

  it('of a singular value decomposition is the larger extent times eps', async () => {
    expect(await rankOf([1, 2 ** -50], 'svd')).toBe(2) // 2 eps is 2⁻⁵¹
    expect(await rankOf([1, 2 ** -51], 'svd')).toBe(1)
    expect(await rankOf([1, 2 ** -44], 'svd', 256)).toBe(1) // 256 eps
    expect(await rankOf([1, 2 ** -43], 'svd', 256)).toBe(2)
  })

  it('of a Gram matrix is the root of the smaller extent times eps', async () => {
    expect(await rankOf([1, 1.4 * 2 ** -26], 'gram')).toBe(1) // √(2 eps) = √2 · 2⁻²⁶
    expect(await rankOf([1, 1.43 * 2 ** -26], 'gram')).toBe(2)
    expect(await rankOf([1, 1.43 * 2 ** -26], 'gram', 256)).toBe(2)
  })
})

describe('projectOnRowSpace', () => {
  it('goes by the coordinates that it is given', async () => {
    const space = await rowSpace(diagonal([2, 1], 2, 3))
    const v = torch.ones([3, 1], { dtype: 'float64' })
    const given = torch.tensor([[5], [7]], { dtype: 'float64' })
    expect(largest((await projectOnRowSpace(space, v, given)).sub(space.basis.matmul(given)))).toBe(0)
    expect(largest((await projectOnRowSpace(space, v)).sub(torch.tensor([[1], [1], [0]])))).toBeLessThan(
      1e-15,
    )
  })
})

it.each([
  [[-3, 2], 3],
  [[1, 2], 2],
  [[-1, -2], 2],
  [[0, 0], 0],
  [[], 0],
])('the largest of %j is %d', async (values, expected) => {
  expect(await largestOf(torch.tensor(values, { dtype: 'float64' }))).toBe(expected)
})
