import { describe, expect, it } from 'vitest'

import type { Dataset } from '../../../src/data/index.js'
import { ScriptModule } from '../../../src/index.js'
import {
  type EigenvalueOptions,
  hessian,
  type SymmetricOperator,
  topEigenvalues,
} from '../../../src/sharpness/index.js'
import { type DType, type Tensor, torch } from '../../../src/torch/index.js'
import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

/** A symmetric matrix with these eigenvalues and random eigenvectors, and an operator that counts its products. */
function operatorWith(spectrum: readonly number[], dtype: DType = 'float64') {
  const size = spectrum.length
  const [q] = torch.linalg_qr(randn([size, size], 7, 'float64'))
  const matrix = q.mul(torch.tensor([...spectrum], { dtype: 'float64' })).mm(q.t())
  const own = matrix.add(matrix.t()).mul(0.5).to(dtype)
  const counter = { products: 0 }
  const operator: SymmetricOperator = {
    size,
    dtype,
    apply: async (vectors) => {
      counter.products += vectors.length
      return vectors.map((vector) => own.mv(vector))
    },
  }
  // LAPACK's solver, which works on the dense matrix.
  const dense = torch.linalg_eigvalsh(own.to('float64')).toArray() as number[]
  return { operator, matrix: own, dense, counter }
}

const values = (found: { eigenvalues: readonly { value: number }[] }) =>
  found.eigenvalues.map(({ value }) => value)

/** The largest relative difference of two lists, by the largest magnitude in the second. */
function difference(found: readonly number[], truth: readonly number[]): number {
  expect(found).toHaveLength(truth.length)
  const scale = Math.max(...truth.map(Math.abs))
  return Math.max(...found.map((value, i) => Math.abs(value - truth[i]!))) / scale
}

/** As a Hessian's: outliers, most of them positive, and a bulk around zero. */
const likeHessian = Array.from({ length: 300 }, (_, i) => {
  if (i < 20) return 50 / (i + 1)
  return i >= 290 ? -5 / (i - 289) : Math.sin(i) * 0.1
})

describe('topEigenvalues', () => {
  it.each([
    ['largest', 12],
    ['smallest', 6],
    ['magnitude', 12],
    ['both', 5],
  ] as const)('finds those at the end "%s"', async (end, count) => {
    const { operator, dense, counter } = operatorWith(likeHessian)
    const found = await topEigenvalues(operator, { count, end, tolerance: 1e-8, maxProducts: 600 })
    const truth = {
      largest: dense.toReversed().slice(0, count),
      smallest: dense.slice(0, count),
      magnitude: dense.toSorted((a, b) => Math.abs(b) - Math.abs(a)).slice(0, count),
      both: [...dense.toReversed().slice(0, count), ...dense.slice(0, count).toReversed()],
    }[end]
    expect(difference(values(found), truth)).toBeLessThan(1e-12)
    expect(found.eigenvalues.every(({ converged }) => converged)).toBe(true)
    expect(found.products).toBe(counter.products)
    expect(found.size).toBe(300)
  })

  it('has errors within its residuals, also before it has converged', async () => {
    const { operator, dense } = operatorWith(likeHessian)
    for (const maxProducts of [3, 8, 15, 25, 40]) {
      const found = await topEigenvalues(operator, { count: 3, tolerance: 1e-14, maxProducts })
      expect(found.products).toBeLessThanOrEqual(maxProducts)
      for (const { value, residual, converged } of found.eigenvalues) {
        const nearest = Math.min(...dense.map((eigenvalue) => Math.abs(eigenvalue - value)))
        expect(nearest).toBeLessThanOrEqual(residual + 1e-12)
        expect(converged).toBe(residual <= 1e-14 * Math.abs(value))
      }
    }
  })

  it('finds a hundred in a small basis, none of them twice, in few products', async () => {
    const spectrum = Array.from({ length: 800 }, (_, i) => 100 * 0.97 ** i)
    const { operator, dense } = operatorWith(spectrum)
    const found = await topEigenvalues(operator, {
      count: 100,
      basisSize: 130,
      maxProducts: 400,
      tolerance: 1e-6,
    })
    expect(difference(values(found), dense.toReversed().slice(0, 100))).toBeLessThan(1e-10)
    expect(found.products).toBeLessThan(265)
    expect(found.eigenvalues.every(({ converged }) => converged)).toBe(true)
  })

  it('takes at most 265 products for a hundred values by its own choice of a basis', async () => {
    const spectrum = Array.from({ length: 1500 }, (_, i) => 100 * 0.985 ** i)
    const { operator, dense, counter } = operatorWith(spectrum)
    const found = await topEigenvalues(operator, { count: 100 })
    expect(difference(values(found), dense.toReversed().slice(0, 100))).toBeLessThan(1e-5)
    expect(counter.products).toBeLessThan(265)
  })

  it('tells the floor of float32 and does not claim more than it allows', async () => {
    const { operator, matrix, dense } = operatorWith(likeHessian, 'float32')
    const found = await topEigenvalues(operator, {
      count: 10,
      tolerance: 1e-12,
      maxProducts: 300,
      vectors: true,
    })
    expect(found.floor).toBeCloseTo(dense.at(-1)! * 2 ** -24, 9)
    expect(found.products).toBeLessThan(300) // it stops, since no product can make it better
    expect(difference(values(found), dense.toReversed().slice(0, 10))).toBeLessThan(1e-6)
    const exact = matrix.to('float64')
    found.eigenvalues.forEach(({ value, residual, converged }, i) => {
      const x = found.vectors!.select(0, i).to('float64')
      const true_ = exact.mv(x).sub(x.mul(value)).square().sum().sqrt().item()
      expect(converged).toBe(false)
      expect(true_).toBeLessThan(100 * found.floor)
      expect(residual).toBeLessThan(100 * found.floor)
      expect(residual).toBeGreaterThan(found.floor / 100)
    })
  })

  it('returns orthonormal eigenvectors', async () => {
    const { operator, matrix } = operatorWith(likeHessian)
    const found = await topEigenvalues(operator, {
      count: 6,
      tolerance: 1e-9,
      maxProducts: 300,
      vectors: true,
    })
    const x = found.vectors!
    expect(x.shape).toEqual([6, 300])
    const gram = x.mm(x.t()).sub(torch.eye(6, { dtype: 'float64' }))
    expect(gram.abs().max().item()).toBeLessThan(1e-12)
    const rest = x.mm(matrix).sub(x.mul(torch.tensor(values(found), { dtype: 'float64' }).view([6, 1])))
    expect(rest.abs().max().item()).toBeLessThan(1e-7)
  })

  it.each(['float32', 'bfloat16'] as const)('keeps its basis in %s', async (basisDtype) => {
    const { operator, dense } = operatorWith(likeHessian)
    const options = { count: 5, basisDtype, tolerance: 1e-9, maxProducts: 60 }
    const found = await topEigenvalues(operator, options)
    const bound = basisDtype === 'float32' ? 1e-7 : 1e-3
    expect(difference(values(found), dense.toReversed().slice(0, 5))).toBeLessThan(bound)
    // The rounding of the basis is in the residuals, so that none claims to be exact.
    for (const { residual } of found.eigenvalues) expect(residual).toBeGreaterThan(1e-9)
  })

  it.each<[string, number[], EigenvalueOptions, number[]]>([
    ['the identity', [1, 1, 1, 1, 1], { count: 3 }, [1, 1, 1]],
    ['zero', [0, 0, 0, 0], { count: 2, end: 'magnitude' }, [0, 0]],
    ['a matrix of rank one', [5, 0, 0, 0, 0, 0], { count: 2 }, [5, 0]],
    ['one number', [-3], {}, [-3]],
    ['more eigenvalues than there are', [1, 2, 3], { count: 10 }, [3, 2, 1]],
    ['both ends that meet', [1, 2, 3], { count: 2, end: 'both' }, [3, 2, 1]],
  ])('is right for %s', async (_, spectrum, options, truth) => {
    const found = await topEigenvalues(operatorWith(spectrum).operator, options)
    found.eigenvalues.forEach(({ value }, i) => {
      expect(value).toBeCloseTo(truth[i]!, 12)
    })
    expect(found.eigenvalues).toHaveLength(truth.length)
    expect(found.products).toBeLessThanOrEqual(spectrum.length)
  })

  it("finds those of a network's Hessian as Python's dense matrix has them", async () => {
    const file = fixture('mlp.scripted.pt')
    const python = await reference('dense_hessian', { model: file, shape: [7, 6], seed: 5, classes: 3 })
    const images = randn([7, 6], 5, 'float64')
    const dataset: Dataset = {
      name: 'vectors',
      size: 7,
      classes: ['a', 'b', 'c'],
      labels: Int32Array.from({ length: 7 }, (_, i) => i % 3),
      load: async (indices) => ({
        images: images.index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
        indices,
        skipped: [],
      }),
    }
    const operator = hessian(await ScriptModule.load(file), dataset, [0, 1, 2, 3, 4, 5, 6])
    const options = { count: 4, end: 'both', tolerance: 1e-9 } as const
    const found = await topEigenvalues(operator, options)
    const all = (python.eigenvalues as number[]).toReversed()
    expect(difference(values(found), [...all.slice(0, 4), ...all.slice(-4)])).toBeLessThan(1e-12)
    expect(found.eigenvalues.every(({ converged }) => converged)).toBe(true)
    expect(found.products).toBeLessThan(operator.size)
  })

  it('gives the same for the same seed, and reports each product', async () => {
    const { operator } = operatorWith(likeHessian)
    const heard: number[] = []
    const options = { count: 3, maxProducts: 200 }
    const first = await topEigenvalues(operator, { ...options, onProgress: ({ done }) => heard.push(done) })
    expect(await topEigenvalues(operator, options)).toEqual(first)
    expect(values(await topEigenvalues(operator, { ...options, seed: 1 }))).not.toEqual(values(first))
    expect(heard).toEqual(Array.from({ length: first.products }, (_, i) => i + 1))
  })

  it('ends at a signal, and refuses products that are not finite', async () => {
    const { operator } = operatorWith(likeHessian)
    const controller = new AbortController()
    const stop = ({ done }: { done: number }) => done === 5 && controller.abort(new Error('enough'))
    await expect(
      topEigenvalues(operator, { onProgress: stop, signal: controller.signal, tolerance: 0 }),
    ).rejects.toThrow('enough')
    const broken = { ...operator, apply: async (v: readonly Tensor[]) => v.map((x) => x.mul(Number.NaN)) }
    await expect(topEigenvalues(broken)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' })
  })

  it.each<[EigenvalueOptions, string]>([
    [{ count: 0 }, 'count'],
    [{ tolerance: -1 }, 'tolerance'],
    [{ maxProducts: 0 }, 'maxProducts'],
    [{ count: 5, basisSize: 6 }, 'basisSize'],
    [{ end: 'top' as 'largest' }, 'end'],
    [{ basisDtype: 'int64' }, 'basisDtype'],
    [{ basisFolder: 5 as never }, 'basisFolder'],
    [{ resume: null as never, basisSize: 5 as never, count: 9 }, 'basisSize'],
    [{ seed: 0.5 }, 'seed'],
  ])('refuses %o', async (options, name) => {
    const { operator } = operatorWith(likeHessian)
    await expect(topEigenvalues(operator, options)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(name),
    })
  })
})
