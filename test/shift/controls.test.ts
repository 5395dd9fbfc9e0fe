import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../src/index.js'
import { controlWeights, solveShift } from '../../src/shift/index.js'

import { randn } from '../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()
const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()

describe('controlWeights', () => {
  const a = randn([15, 40], 1, 'float64')
  const v = randn([40, 6], 2, 'float64')
  const pool = randn([200, 40], 3, 'float64').mul(torch.logspace(1, -1, 40, 10, { dtype: 'float64' }))

  it('shrink and ridge have the norm of V*', async () => {
    const { weight: vStar, rank } = await solveShift(a, v, null, { rank: { policy: 'fixed', rank: 10 } })
    const { weight: shrunk } = await controlWeights('shrink', { a, v, vStar, rank })
    expect(norm(shrunk)).toBeCloseTo(norm(vStar), 10)
    expect(largest(shrunk.div(v).sub(shrunk.div(v).mean()))).toBeLessThan(1e-12)
    const { weight: ridge, lambda: told } = await controlWeights('ridge', { a, v, vStar, rank })
    expect(norm(ridge)).toBeCloseTo(norm(vStar), 8)
    // For some λ it solves the normal equations (AᵀA + λI)W = AᵀAV, so A'A(V − W) is a multiple of W.
    const pulled = a.t().matmul(a).matmul(v.sub(ridge))
    const lambda = pulled.mul(ridge).sum().div(ridge.square().sum())
    expect(lambda.item()).toBeGreaterThan(0)
    expect(told! / lambda.item()).toBeCloseTo(1, 6)
    expect(largest(pulled.sub(ridge.mul(lambda)))).toBeLessThan(1e-8 * largest(pulled) + 1e-9)
  })

  it('ridge is the shift itself, with λ = 0, if the shift keeps all directions', async () => {
    const { weight: vStar, rank } = await solveShift(a, v, null, { rank: { policy: 'fixed', rank: 15 } })
    const { weight, lambda } = await controlWeights('ridge', { a, v, vStar, rank })
    expect(lambda).toBe(0)
    // A⁺AV of a full-rank A, dense.
    const dense = a.t().matmul(torch.linalg_solve(a.matmul(a.t()), a.matmul(v)))
    expect(largest(weight.sub(dense))).toBeLessThan(1e-9)
    expect(largest(weight.sub(vStar))).toBeLessThan(1e-9)
  })

  it('is refused if there is none of its name', async () => {
    const given = { a, v, vStar: v, rank: 1 }
    await expect(controlWeights('toString' as never, given)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('expected one of shrink, pca, random, ridge'),
    })
  })

  it('pca and random are projections of the rank asked for', async () => {
    const vStar = v.mul(0.5)
    const { weight: pca, lambda: none } = await controlWeights('pca', { a, v, vStar, rank: 7, pool })
    const [, vectors] = torch.linalg_eigh(pool.t().matmul(pool))
    const top = vectors.narrow(1, 33, 7)
    expect(none).toBeNull()
    expect(largest(pca.sub(top.matmul(top.t()).matmul(v)))).toBeLessThan(1e-9)

    const { weight: drawn } = await controlWeights('random', { a, v, vStar, rank: 7, seed: 5 })
    expect(torch.linalg_matrix_rank(drawn).item()).toBe(6) // of six columns
    const { weight: again } = await controlWeights('random', { a, v, vStar, rank: 7, seed: 5 })
    expect(largest(again.sub(drawn))).toBe(0)
    // The projection on the span of the seed's own normal numbers, by the normal equations.
    const span = randn([40, 7], 5, 'float64')
    const onSpan = span.matmul(torch.linalg_solve(span.t().matmul(span), span.t().matmul(v)))
    expect(largest(drawn.sub(onSpan))).toBeLessThan(1e-9)
    // ‖PV‖² is on average r/m of ‖V‖².
    const energies = await Promise.all(
      Array.from({ length: 40 }, async (_, seed) => {
        const { weight: one } = await controlWeights('random', { a, v, vStar, rank: 7, seed })
        return (norm(one) / norm(v)) ** 2
      }),
    )
    expect(new Set(energies).size).toBe(40)
    const mean = energies.reduce((sum, one) => sum + one) / energies.length
    expect(Math.abs(mean - 7 / 40)).toBeLessThan(0.04)
  })

  it('takes the batch for the pool, and 0 for the seed, if none is given', async () => {
    const given = { a, v, vStar: v, rank: 4 }
    const { weight: pca } = await controlWeights('pca', given)
    const [, vectors] = torch.linalg_eigh(a.t().matmul(a))
    const top = vectors.narrow(1, 36, 4)
    expect(largest(pca.sub(top.matmul(top.t()).matmul(v)))).toBeLessThan(1e-9)
    const { weight: drawn, lambda } = await controlWeights('random', given)
    const span = randn([40, 4], 0, 'float64')
    const onSpan = span.matmul(torch.linalg_solve(span.t().matmul(span), span.t().matmul(v)))
    expect(largest(drawn.sub(onSpan))).toBeLessThan(1e-9)
    expect(lambda).toBeNull()
    expect((await controlWeights('shrink', given)).lambda).toBeNull()
    expect((await controlWeights('random', { ...given, rank: 0 })).weight.square().sum().item()).toBe(0)
    expect(largest((await controlWeights('random', { ...given, rank: 40 })).weight.sub(v))).toBeLessThan(1e-9)
  })

  it.each([1e-12, 1e-3, 0.5, 1 - 1e-6])(
    'ridge reaches the norm of V* where that is %d of the projection on the batch',
    async (share) => {
      const { weight: projected } = await solveShift(a, v, null, { rank: { policy: 'fixed', rank: 15 } })
      const vStar = projected.mul(share)
      const { weight, lambda } = await controlWeights('ridge', { a, v, vStar, rank: 15 })
      expect(norm(weight) / norm(vStar)).toBeCloseTo(1, 9)
      expect(lambda).toBeGreaterThan(0)
      // (AᵀA + λI)⁻¹AᵀA V, dense.
      const square = a.t().matmul(a)
      const damped = square.add(torch.eye(40, { dtype: 'float64' }).mul(lambda!))
      const dense = torch.linalg_solve(damped, square.matmul(v))
      expect(largest(weight.sub(dense)) / largest(dense)).toBeLessThan(1e-6)
    },
  )

  it('ridge is not damped by rounding, by a longer V*, nor for inputs of zeros', async () => {
    const { weight: projected } = await solveShift(a, v, null, { rank: { policy: 'fixed', rank: 15 } })
    for (const share of [1 - 1e-10, 1, 1 + 1e-10, 1.5]) {
      const { weight, lambda } = await controlWeights('ridge', {
        a,
        v,
        vStar: projected.mul(share),
        rank: 15,
      })
      expect([share, lambda, largest(weight.sub(projected)) < 1e-9]).toEqual([share, 0, true])
    }
    const none = { a: torch.zeros([3, 40], { dtype: 'float64' }), v, vStar: v.mul(0.5), rank: 0 }
    const { weight, lambda } = await controlWeights('ridge', none)
    expect([lambda, largest(weight), weight.shape]).toEqual([0, 0, [40, 6]])
  })

  it('computes in float64, whatever dtype comes', async () => {
    const given = { a: a.to('float32'), v: v.to('float32'), vStar: v.to('float32').mul(0.5), rank: 4 }
    const wide = {
      a: given.a.to('float64'),
      v: given.v.to('float64'),
      vStar: given.vStar.to('float64'),
      rank: 4,
    }
    for (const control of ['shrink', 'pca', 'random', 'ridge'] as const) {
      const [one, other] = [await controlWeights(control, given), await controlWeights(control, wide)]
      expect(one.weight.dtype).toBe('float64')
      expect(largest(one.weight.sub(other.weight))).toBeLessThan(1e-6)
    }
    expect((await controlWeights('shrink', given)).weight.toArray()).toEqual(wide.v.mul(0.5).toArray())
  })

  it('refuses invalid arguments, by their names', async () => {
    const given = { a, v, vStar: v, rank: 1 }
    const wrong: [string, object][] = [
      ...['a', 'v', 'vStar', 'pool'].map((name): [string, object] => [name, { [name]: [1] }]),
      ['rank', { rank: -1 }],
      ['rank', { rank: 41 }],
      ['rank', { rank: 1.5 }],
      ['seed', { seed: 1.5 }],
    ]
    for (const [name, change] of wrong) {
      await expect(controlWeights('shrink', { ...given, ...change } as never), name).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringMatching(new RegExp(`\\b${name}\\b`)),
      })
    }
    await expect(controlWeights('shrink', 5 as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('options'),
    })
  })
})
