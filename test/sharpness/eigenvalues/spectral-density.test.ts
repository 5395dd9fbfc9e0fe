import { describe, expect, it } from 'vitest'

import type { Progress } from '../../../src/data/index.js'
import { densityAt, type SymmetricOperator, spectralDensity } from '../../../src/sharpness/index.js'
import { type Tensor, torch } from '../../../src/torch/index.js'
import { randn } from '../../support/random.js'

/** An operator with these eigenvalues and random eigenvectors, as a product of reflections: no matrix of its size is needed. */
function operatorWith(spectrum: readonly number[]): SymmetricOperator {
  const size = spectrum.length
  const diagonal = torch.tensor([...spectrum], { dtype: 'float64' })
  const mirrors = [1, 2, 3].map((seed) => {
    const normal = randn([size], seed, 'float64')
    return normal.div(normal.square().sum().sqrt())
  })
  const reflect = (vector: Tensor, normal: Tensor) => vector.sub(normal.mul(normal.dot(vector).mul(2)))
  const apply = (vector: Tensor) =>
    mirrors.reduceRight(reflect, mirrors.reduce(reflect, vector).mul(diagonal))
  return { size, dtype: 'float64', apply: async (vectors) => vectors.map(apply) }
}

/** As a Hessian's: most of the mass near zero, a positive tail, some negative values, and ten outliers. */
const spectrum = Array.from({ length: 2000 }, (_, i) => {
  if (i < 10) return 20 + 3 * i
  const u = (i - 10) / 1990
  return i % 5 === 0 ? -0.5 * u : 4 * u ** 4
})

const points = Array.from({ length: 1200 }, (_, i) => -3 + (i * 54) / 1199)
const spacing = points[1]! - points[0]!

/** The curve of the eigenvalues themselves. */
const exact = (sigma: number) =>
  points.map((point) => {
    const sum = spectrum.reduce((s, value) => s + Math.exp(-0.5 * ((point - value) / sigma) ** 2), 0)
    return sum / spectrum.length / (sigma * Math.sqrt(2 * Math.PI))
  })

/** ∫|a − b|. */
const distance = (a: readonly number[], b: readonly number[]) =>
  spacing * a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0)

describe('spectralDensity', () => {
  it('comes within a percent of the spectrum, with the outliers by themselves', async () => {
    const sigma = 0.01 * 47 // of the range
    const options = { probes: 16, steps: 60, outliers: 10, seed: 3 }
    const density = await spectralDensity(operatorWith(spectrum), options)
    expect(distance(densityAt(density, points, sigma), exact(sigma))).toBeLessThan(0.01)
    const truth = spectrum.slice(0, 10).toReversed()
    expect(density.outliers).toHaveLength(10)
    density.outliers.forEach(({ value }, i) => {
      expect(value).toBeCloseTo(truth[i]!, 4)
    })
    const total = density.weights.reduce((a, b) => a + b, 0)
    expect(total).toBeCloseTo(1990 / 2000, 12)
    // The mean of the spectrum, as the quadrature has it: its first moment is tr(H)/size but for the probes' error.
    const mean = density.nodes.reduce((sum, node, i) => sum + node * density.weights[i]!, 0)
    const bulk = spectrum.slice(10).reduce((a, b) => a + b, 0) / 2000
    expect(Math.abs(mean - bulk)).toBeLessThan(0.03 * bulk)
    expect(density.products).toBeGreaterThanOrEqual(16 * 60)
  })

  it('has the share of outliers wrong without them, which is why they can be left out', async () => {
    const density = await spectralDensity(operatorWith(spectrum), { probes: 2, steps: 40, seed: 3 })
    const share = density.nodes.reduce((sum, node, i) => sum + (node > 15 ? density.weights[i]! : 0), 0)
    expect(Math.abs(share - 10 / 2000)).toBeGreaterThan(0.0005)
    expect(density.weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12)
  })

  it('is exact for an operator whose space closes early', async () => {
    const density = await spectralDensity(operatorWith([2, 2, 2, 2]), { probes: 3 })
    for (const node of density.nodes) expect(node).toBeCloseTo(2, 12)
    expect(density.products).toBe(3)
    expect(densityAt(density, [2], 0.5)[0]).toBeCloseTo(1 / (0.5 * Math.sqrt(2 * Math.PI)), 12)
  })

  it('reports each product, those of the outliers too', async () => {
    const heard: { done: number; total: number }[] = []
    const options = {
      probes: 3,
      steps: 12,
      outliers: 4,
      onProgress: (progress: Progress) => heard.push(progress),
    }
    const { products } = await spectralDensity(operatorWith(spectrum), options)
    expect(heard.map(({ done }) => done)).toEqual(Array.from({ length: products }, (_, i) => i + 1))
    expect(heard.at(-1)).toEqual({ done: products, total: products })
    expect(heard.every(({ done, total }) => done <= total)).toBe(true)
  })

  it('refuses as many outliers as there are eigenvalues, and a curve without width', async () => {
    const invalid = { code: 'ERR_INVALID_ARGUMENT' }
    await expect(spectralDensity(operatorWith([1, 2]), { outliers: 2 })).rejects.toMatchObject(invalid)
    await expect(spectralDensity(operatorWith([1, 2]), { probes: 0 })).rejects.toMatchObject(invalid)
    const density = await spectralDensity(operatorWith([1, 2]), { probes: 1 })
    expect(() => densityAt(density, [0], 0)).toThrow('sigma')
  })
})
