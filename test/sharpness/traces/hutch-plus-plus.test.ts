import { describe, expect, it } from 'vitest'

import { hutchinsonTrace, hutchPlusPlus, type SymmetricOperator } from '../../../src/sharpness/index.js'
import { type DType, type Tensor, torch } from '../../../src/torch/index.js'
import { randn } from '../../support/random.js'

/** A symmetric matrix with these eigenvalues, and its operator, which counts its products. */
function operatorWith(spectrum: readonly number[], dtype: DType = 'float64') {
  const size = spectrum.length
  const [q] = torch.linalg_qr(randn([size, size], 11, 'float64'))
  const matrix = q.mul(torch.tensor([...spectrum], { dtype: 'float64' })).mm(q.t())
  const own = matrix.to(dtype)
  const counter = { products: 0 }
  const operator: SymmetricOperator = {
    size,
    dtype,
    apply: async (vectors) => {
      counter.products += vectors.length
      return vectors.map((vector) => own.mv(vector))
    },
  }
  return { operator, matrix, counter, trace: spectrum.reduce((a, b) => a + b, 0) }
}

/** By its definition with full matrices: Q from a singular value decomposition, P made explicitly. */
function byDefinition(matrix: Tensor, products: number, seed: number): number[] {
  const [size] = matrix.shape as [number]
  const probes = products / 3
  const generator = new torch.Generator(seed)
  const signs = () => torch.randint(0, 2, [probes, size], { generator, dtype: 'float64' }).mul(2).sub(1).t()
  const [sketch, g] = [signs(), signs()]
  const [q] = torch.linalg_svd(matrix.mm(sketch), false)
  const p = torch.eye(size, { dtype: 'float64' }).sub(q.mm(q.t()))
  const inside = q.t().mm(matrix).mm(q).trace().item()
  const rest = g.t().mm(p).mm(matrix).mm(p).mm(g).diagonal()
  return (rest.toArray() as number[]).map((value) => inside + value)
}

const decaying = Array.from({ length: 120 }, (_, i) => (i % 7 === 3 ? -5 : 20) * 0.9 ** i)

describe('hutchPlusPlus', () => {
  it.each([6, 15, 60])('is the estimate of its definition, for %i products', async (products) => {
    const { operator, matrix, counter } = operatorWith(decaying)
    const { trace, probes, perProbe, standardError } = await hutchPlusPlus(operator, { products, seed: 5 })
    const expected = byDefinition(matrix, products, 5)
    expect(perProbe).toHaveLength(products / 3)
    perProbe.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 9)
    })
    const mean = expected.reduce((a, b) => a + b, 0) / probes
    const squares = expected.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    expect(trace).toBeCloseTo(mean, 9)
    expect(standardError).toBeCloseTo(Math.sqrt(squares / (probes - 1) / probes), 9)
    expect(counter.products).toBe(products)
  })

  it('has no bias, and its standard error is the spread of the estimates', async () => {
    const { operator, trace } = operatorWith(decaying)
    const found = []
    for (let seed = 0; seed < 300; seed++) found.push(await hutchPlusPlus(operator, { products: 18, seed }))
    const mean = found.reduce((sum, { trace }) => sum + trace, 0) / 300
    const variance = found.reduce((sum, { trace }) => sum + (trace - mean) ** 2, 0) / 299
    expect(Math.abs(mean - trace)).toBeLessThan(3.5 * Math.sqrt(variance / 300))
    const told = Math.sqrt(found.reduce((sum, { standardError }) => sum + standardError ** 2, 0) / 300)
    expect(told / Math.sqrt(variance)).toBeGreaterThan(0.8)
    expect(told / Math.sqrt(variance)).toBeLessThan(1.25)
  })

  it("needs far fewer products than Hutchinson's estimate if the eigenvalues decay", async () => {
    const { operator, trace } = operatorWith(Array.from({ length: 120 }, (_, i) => 20 * 0.8 ** i))
    const error = async (estimate: (seed: number) => Promise<{ trace: number }>) => {
      let sum = 0
      for (let seed = 0; seed < 40; seed++) sum += ((await estimate(seed)).trace - trace) ** 2
      return Math.sqrt(sum / 40)
    }
    const ours = await error((seed) => hutchPlusPlus(operator, { products: 48, seed }))
    const theirs = await error((seed) => hutchinsonTrace(operator, { probes: 48, seed }))
    expect(ours).toBeLessThan(theirs / 10)
  })

  it.each<[string, number[], number]>([
    ['a matrix of low rank', [7, -2, 1, ...Array(30).fill(0)], 12],
    ['zero', Array(20).fill(0), 9],
    ['as many vectors as there are dimensions', [3, 2, 1], 9],
  ])('is exact for %s', async (_, spectrum, products) => {
    const { operator, trace } = operatorWith(spectrum)
    const found = await hutchPlusPlus(operator, { products, seed: 1 })
    expect(found.trace).toBeCloseTo(trace, 8)
  })

  it('works in float32', async () => {
    const { operator, matrix } = operatorWith(decaying, 'float32')
    const found = await hutchPlusPlus(operator, { products: 36, seed: 5 })
    expect(Math.abs(found.trace - matrix.trace().item())).toBeLessThan(4 * found.standardError)
  })

  it.each([3, 0, 7, 400])('refuses %i products', async (products) => {
    const { operator } = operatorWith(decaying)
    await expect(hutchPlusPlus(operator, { products, seed: 0 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })
})
