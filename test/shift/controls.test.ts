import { describe, expect, it } from 'vitest'

import { controlWeights, solveShift, type Tensor, torch } from '../../src/index.js'
import { randn } from '../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()
const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()

describe('controlWeights', () => {
  const a = randn([15, 40], 1, 'float64')
  const v = randn([40, 6], 2, 'float64')
  const pool = randn([200, 40], 3, 'float64').mul(torch.logspace(1, -1, 40, 10, { dtype: 'float64' }))

  it('shrink and ridge have the norm of V*', async () => {
    const { weight: vStar, rank } = await solveShift(a, v, null, { rank: { policy: 'fixed', rank: 10 } })
    const shrunk = await controlWeights('shrink', { a, v, vStar, rank })
    expect(norm(shrunk)).toBeCloseTo(norm(vStar), 10)
    expect(largest(shrunk.div(v).sub(shrunk.div(v).mean()))).toBeLessThan(1e-12)
    const ridge = await controlWeights('ridge', { a, v, vStar, rank })
    expect(norm(ridge)).toBeCloseTo(norm(vStar), 8)
    // For some λ it solves the normal equations (AᵀA + λI)W = AᵀAV, so A'A(V − W) is a multiple of W.
    const pulled = a.t().matmul(a).matmul(v.sub(ridge))
    const lambda = pulled.mul(ridge).sum().div(ridge.square().sum())
    expect(lambda.item()).toBeGreaterThan(0)
    expect(largest(pulled.sub(ridge.mul(lambda)))).toBeLessThan(1e-8 * largest(pulled) + 1e-9)
  })

  it('pca and random are projections of the rank asked for', async () => {
    const vStar = v.mul(0.5)
    const pca = await controlWeights('pca', { a, v, vStar, rank: 7, pool })
    const [, vectors] = torch.linalg_eigh(pool.t().matmul(pool))
    const top = vectors.narrow(1, 33, 7)
    expect(largest(pca.sub(top.matmul(top.t()).matmul(v)))).toBeLessThan(1e-9)

    const drawn = await controlWeights('random', { a, v, vStar, rank: 7, seed: 5 })
    expect(torch.linalg_matrix_rank(drawn).item()).toBe(6) // of six columns
    const again = await controlWeights('random', { a, v, vStar, rank: 7, seed: 5 })
    expect(largest(again.sub(drawn))).toBe(0)
    // The projection on the span of the seed's own normal numbers, by the normal equations.
    const span = randn([40, 7], 5, 'float64')
    const onSpan = span.matmul(torch.linalg_solve(span.t().matmul(span), span.t().matmul(v)))
    expect(largest(drawn.sub(onSpan))).toBeLessThan(1e-9)
    // ‖PV‖² is on average r/m of ‖V‖².
    const energies = await Promise.all(
      Array.from({ length: 40 }, async (_, seed) => {
        const one = await controlWeights('random', { a, v, vStar, rank: 7, seed })
        return (norm(one) / norm(v)) ** 2
      }),
    )
    expect(new Set(energies).size).toBe(40)
    const mean = energies.reduce((sum, one) => sum + one) / energies.length
    expect(Math.abs(mean - 7 / 40)).toBeLessThan(0.04)
  })
})
