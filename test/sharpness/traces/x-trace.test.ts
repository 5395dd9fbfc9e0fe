import { describe, expect, it } from 'vitest'

import { hutchinsonTrace, type SymmetricOperator, xTrace } from '../../../src/sharpness/index.js'
import { type DType, type Tensor, torch } from '../../../src/torch/index.js'
import { randn } from '../../support/random.js'

/** A symmetric matrix with these eigenvalues, and its operator. */
function operatorWith(spectrum: readonly number[], dtype: DType = 'float64') {
  const size = spectrum.length
  const [q] = torch.linalg_qr(randn([size, size], 11, 'float64'))
  const matrix = q.mul(torch.tensor([...spectrum], { dtype: 'float64' })).mm(q.t())
  const own = matrix.to(dtype)
  const operator: SymmetricOperator = {
    size,
    dtype,
    apply: async (vectors) => vectors.map((vector) => own.mv(vector)),
  }
  return { operator, matrix, trace: spectrum.reduce((a, b) => a + b, 0) }
}

/** XTrace by its definition: for each vector a basis of the products of all others. */
function byDefinition(matrix: Tensor, products: number, seed: number): number {
  const [size] = matrix.shape as [number]
  const m = products / 2
  const vectors = torch.randn([m, size], { generator: new torch.Generator(seed), dtype: 'float64' })
  const each = Array.from({ length: m }, (_, i) => {
    const others = torch.tensor(
      Array.from({ length: m }, (_, j) => j).filter((j) => j !== i),
      { dtype: 'int64' },
    )
    const [q] = torch.linalg_qr(matrix.mm(vectors.index_select(0, others).t()))
    const omega = vectors.select(0, i)
    const rest = omega.sub(q.mv(q.t().mv(omega)))
    const inside = q.t().mm(matrix).mm(q).trace().item()
    return inside + ((size - m + 1) * rest.dot(matrix.mv(rest)).item()) / rest.square().sum().item()
  })
  return each.reduce((a, b) => a + b, 0) / m
}

const decaying = Array.from({ length: 120 }, (_, i) => (i % 7 === 3 ? -5 : 20) * 0.9 ** i)

describe('xTrace', () => {
  it.each([4, 10, 24, 80])('is the estimate of its definition, for %i products', async (products) => {
    const { operator, matrix } = operatorWith(decaying)
    const { trace, probes, perProbe } = await xTrace(operator, { products, seed: 5 })
    expect(trace).toBeCloseTo(byDefinition(matrix, products, 5), 9)
    expect([probes, perProbe.length]).toEqual([products / 2, products / 2])
  })

  it('has no bias, and its standard error is the spread of the estimates', async () => {
    const { operator, trace } = operatorWith(decaying)
    const found = []
    for (let seed = 0; seed < 300; seed++) found.push(await xTrace(operator, { products: 12, seed }))
    const mean = found.reduce((sum, { trace }) => sum + trace, 0) / 300
    const variance = found.reduce((sum, { trace }) => sum + (trace - mean) ** 2, 0) / 299
    expect(Math.abs(mean - trace)).toBeLessThan(3.5 * Math.sqrt(variance / 300))
    const told = Math.sqrt(found.reduce((sum, { standardError }) => sum + standardError ** 2, 0) / 300)
    expect(told / Math.sqrt(variance)).toBeGreaterThan(0.75)
    expect(told / Math.sqrt(variance)).toBeLessThan(1.35)
  })

  it("needs far fewer products than Hutchinson's estimate if the eigenvalues decay", async () => {
    const { operator, trace } = operatorWith(Array.from({ length: 120 }, (_, i) => 20 * 0.8 ** i))
    const error = async (estimate: (seed: number) => Promise<{ trace: number }>) => {
      let sum = 0
      for (let seed = 0; seed < 40; seed++) sum += ((await estimate(seed)).trace - trace) ** 2
      return Math.sqrt(sum / 40)
    }
    const ours = await error((seed) => xTrace(operator, { products: 40, seed }))
    const theirs = await error((seed) => hutchinsonTrace(operator, { probes: 40, seed }))
    expect(ours).toBeLessThan(theirs / 10)
  })

  it.each<[string, number[], number]>([
    ['a matrix of low rank', [7, -2, 1, ...Array(30).fill(0)], 12],
    ['the identity', Array(20).fill(1), 8],
    ['zero', Array(20).fill(0), 8],
    ['as many vectors as there are dimensions', [3, 2, 1], 6],
  ])('is exact for %s', async (_, spectrum, products) => {
    const { operator, trace } = operatorWith(spectrum)
    expect((await xTrace(operator, { products, seed: 1 })).trace).toBeCloseTo(trace, 8)
  })

  it('works in float32', async () => {
    const { operator, matrix } = operatorWith(decaying, 'float32')
    const found = await xTrace(operator, { products: 24, seed: 5 })
    expect(Math.abs(found.trace - matrix.trace().item())).toBeLessThan(4 * found.standardError)
  })

  it.each([3, 2, 7, 400])('refuses %i products', async (products) => {
    const { operator } = operatorWith(decaying)
    await expect(xTrace(operator, { products, seed: 0 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })
})
