import { describe, expect, it } from 'vitest'

import {
  type EigenvalueOptions,
  type SymmetricOperator,
  topEigenvalues,
} from '../../../src/sharpness/index.js'
import { type DType, torch } from '../../../src/torch/index.js'
import { randn } from '../../support/random.js'

// Spectra on which solvers of this kind go wrong: copies of values that have converged, values that are there several times, spaces that close
// early, clusters, and scales.

interface Made {
  operator: SymmetricOperator
  counter: { products: number }
}

/** An operator with these eigenvalues and random eigenvectors. */
function operatorWith(spectrum: readonly number[], dtype: DType = 'float64'): Made {
  const size = spectrum.length
  const [q] = torch.linalg_qr(randn([size, size], 7, 'float64'))
  const matrix = q.mul(torch.tensor([...spectrum], { dtype: 'float64' })).mm(q.t())
  const own = matrix.add(matrix.t()).mul(0.5).to(dtype)
  const counter = { products: 0 }
  const apply: SymmetricOperator['apply'] = async (vectors) => {
    counter.products += vectors.length
    return vectors.map((vector) => own.mv(vector))
  }
  return { operator: { size, dtype, apply }, counter }
}

const zeros = (count: number) => Array<number>(count).fill(0)
const bulk = (count: number, scale: number) =>
  Array.from({ length: count }, (_, i) => Math.sin(7 * i) * scale)

interface Case {
  spectrum: number[]
  options: EigenvalueOptions
  /** Next to the largest magnitude. Default: 1e-10. */
  within?: number
  dtype?: DType
  mostProducts?: number
}

const cases: Record<string, Case> = {
  'values that are there several times, in a space that closes': {
    spectrum: [5, 5, 5, 5, 1, 1, 1, 1],
    options: { count: 3 },
  },
  'more of them than the first space has': {
    spectrum: [5, 5, 5, 3, 3, ...zeros(45)],
    options: { count: 5 },
    mostProducts: 20,
  },
  'a matrix of rank one in many dimensions': {
    spectrum: [5, ...zeros(199)],
    options: { count: 4 },
    mostProducts: 12,
  },
  'a matrix of low rank in float32': {
    spectrum: [7, 5, 3, 2, 1, ...zeros(395)],
    options: { count: 8 },
    dtype: 'float32',
    within: 1e-5,
    mostProducts: 40,
  },
  'the identity, of which many are wanted': {
    spectrum: Array<number>(200).fill(1),
    options: { count: 50, basisSize: 70 },
    mostProducts: 60,
  },
  'zero, in float32': { spectrum: zeros(60), options: { count: 2, end: 'both' }, dtype: 'float32' },
  'a negative definite matrix': {
    spectrum: Array.from({ length: 150 }, (_, i) => -1 - i * 0.1),
    options: { count: 4, tolerance: 1e-7, maxProducts: 400 },
  },
  'both ends of a negative definite matrix': {
    spectrum: Array.from({ length: 150 }, (_, i) => -1 - i * 0.1),
    options: { count: 3, end: 'both', tolerance: 1e-7, maxProducts: 600, basisSize: 60 },
  },
  'the smallest basis that is allowed': {
    spectrum: [...Array.from({ length: 12 }, (_, i) => 40 - 3 * i), ...bulk(200, 1)],
    options: { count: 6, basisSize: 8, tolerance: 1e-7, maxProducts: 1500 },
  },
  'the smallest basis, both ends': {
    spectrum: [40, 37, 33, -20, -17, ...bulk(200, 1)],
    options: { count: 2, end: 'both', basisSize: 6, tolerance: 1e-7, maxProducts: 1500 },
  },
  'a cluster': {
    spectrum: [10, 10 - 1e-5, 10 - 2e-5, 9, 8, ...bulk(200, 1)],
    options: { count: 5, tolerance: 1e-9, maxProducts: 400 },
  },
  'a tight cluster among the wanted ones': {
    spectrum: [12, 10, 10 - 1e-3, 10 - 2e-3, 10 - 3e-3, 7, ...bulk(300, 0.5)],
    options: { count: 6, tolerance: 1e-8, maxProducts: 400, basisSize: 20 },
  },
  'small numbers': {
    spectrum: [...Array.from({ length: 8 }, (_, i) => 1e-25 / (i + 1)), ...bulk(100, 1e-27)],
    options: { count: 4, tolerance: 1e-8, maxProducts: 200 },
  },
  'large numbers': {
    spectrum: [...Array.from({ length: 8 }, (_, i) => 1e25 / (i + 1)), ...bulk(100, 1e23)],
    options: { count: 4, tolerance: 1e-8, maxProducts: 200 },
  },
  'twenty orders of magnitude': {
    spectrum: Array.from({ length: 100 }, (_, i) => 10 ** (-i / 5)),
    options: { count: 20, tolerance: 1e-6, maxProducts: 300 },
  },
  'many restarts in float32': {
    spectrum: Array.from({ length: 600 }, (_, i) => 50 / (1 + i) ** 0.7),
    options: { count: 30, basisSize: 40, tolerance: 1e-4, maxProducts: 1500 },
    dtype: 'float32',
    within: 1e-5,
  },
  'two dimensions': { spectrum: [2, -3], options: { count: 1, end: 'magnitude' } },
}

function wanted(spectrum: number[], { count = 1, end = 'largest' }: EigenvalueOptions): number[] {
  const descending = spectrum.toSorted((a, b) => b - a)
  if (end === 'largest') return descending.slice(0, count)
  if (end === 'smallest') return descending.toReversed().slice(0, count)
  if (end === 'both') return [...descending.slice(0, count), ...descending.slice(-count)]
  return spectrum.toSorted((a, b) => Math.abs(b) - Math.abs(a)).slice(0, count)
}

describe('topEigenvalues', () => {
  it.each(Object.entries(cases))(
    'is right for %s',
    async (_, { spectrum, options, within = 1e-10, ...rest }) => {
      const { operator, counter } = operatorWith(spectrum, rest.dtype)
      const found = await topEigenvalues(operator, { ...options, vectors: true })
      const truth = wanted(spectrum, options)
      const scale = Math.max(...spectrum.map(Math.abs)) || 1
      expect(found.eigenvalues).toHaveLength(truth.length)
      for (const [i, { value, residual }] of found.eigenvalues.entries()) {
        expect(Math.abs(value - truth[i]!) / scale).toBeLessThan(within)
        expect(residual / scale).toBeLessThan(1e-3)
      }
      // No vector twice: they are orthonormal.
      const x = found.vectors!.to('float64')
      const gram = x.mm(x.t()).sub(torch.eye(truth.length, { dtype: 'float64' }))
      expect(gram.abs().max().item()).toBeLessThan(rest.dtype === 'float32' ? 1e-5 : 1e-12)
      expect(counter.products).toBe(found.products)
      expect(found.products).toBeLessThanOrEqual(rest.mostProducts ?? options.maxProducts ?? 120)
    },
  )

  it('reports the products that it was allowed, and nothing as converged that is not', async () => {
    const spectrum = Array.from({ length: 400 }, (_, i) => 1 - i / 400)
    const found = await topEigenvalues(operatorWith(spectrum).operator, { count: 20, maxProducts: 30 })
    expect(found.products).toBe(30)
    for (const { value, residual, converged } of found.eigenvalues) {
      const nearest = Math.min(...spectrum.map((one) => Math.abs(one - value)))
      expect(nearest).toBeLessThanOrEqual(residual)
      if (converged) expect(nearest).toBeLessThanOrEqual(1e-3 * Math.abs(value))
    }
    expect(found.eigenvalues.filter(({ converged }) => converged).length).toBeLessThan(20)
  })
})
