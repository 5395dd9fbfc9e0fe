import {
  checkNumbers,
  count,
  expectObject,
  meanWithError,
  refuseArgument,
  whole,
  wholeSeed,
} from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import type { TraceEstimate } from './hutchinson-trace.js'
import { applyToRows } from './row-products.js'

/**
 * Estimates the trace of a symmetric operator by Hutch++ (Meyer, Musco, Musco and Woodruff 2021). A third of the products finds a space Q that
 * holds much of the operator, a third gives the trace there exactly, and the last third estimates the rest by Hutchinson's random signs g:
 *
 *     tr(QᵀHQ) + mean of gᵀPHPg,    P = I − QQᵀ,    Q an orthonormal basis of HS for random signs S.
 *
 * Its error falls as 1/products if H is positive semidefinite, where Hutchinson's falls as 1/√products. `xTrace` needs fewer products for the
 * same error. Hutch++ has a standard error that is exact, since its last probes are independent of each other.
 *
 * @param operator the operator; `products`/3 vectors, their products and a basis are in memory together
 * @param options the products
 * @param options.products how many products, a multiple of 3 of at least 6, at most three times the operator's size
 * @param options.seed the seed of the signs
 * @returns the estimate; `probes` is the number of signs g, and `perProbe` the estimate of each
 * @throws `ERR_INVALID_ARGUMENT` for invalid options, and what the operator throws
 * @example
 * const diagonal = torch.tensor([100, 1, 0, 0, 0, 0, 0, 0], { dtype: 'float64' })
 * const operator = { size: 8, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.mul(diagonal)) } as const
 * console.log((await hutchPlusPlus(operator, { products: 6, seed: 0 })).trace.toFixed(6)) // → 101.000000
 */
export async function hutchPlusPlus(
  operator: SymmetricOperator,
  options: { products: number; seed: number },
): Promise<TraceEstimate> {
  expectObject('operator', operator)
  expectObject('options', options)
  count('operator.size', operator.size)
  checkNumbers(options, { products: whole(6), seed: wholeSeed })
  const { products, seed } = options
  const { size, dtype } = operator
  if (products % 3 !== 0 || products > 3 * size)
    refuseArgument(
      `a multiple of 3, at most three times the operator's size of ${size},`,
      'products',
      products,
    )
  const probes = products / 3
  const generator = new torch.Generator(seed)
  const signs = () => scope(() => torch.randint(0, 2, [probes, size], { generator, dtype }).mul_(2).sub_(1))
  using sketch = signs()
  using rest = signs()
  using basis = await rangeOf(operator, sketch)
  using ofBasis = await applyToRows(operator, basis)
  const within = scope(() => innerOfRows(basis, ofBasis).sum().item())
  // Rows are vectors here. Twice, since once leaves a part in Q that the large eigenvalues would enlarge.
  scope(() => {
    for (let round = 0; round < 2; round++) rest.sub_(rest.mm(basis.t()).mm(basis))
  })
  using ofRest = await applyToRows(operator, rest)
  const outside = scope(() => innerOfRows(rest, ofRest).toArray() as number[])
  const perProbe = outside.map((value) => within + value)
  const { mean, standardError } = meanWithError(perProbe)
  return { trace: mean, size, standardError, probes, perProbe }
}

/** Orthonormal rows that span the products with the rows of a matrix. */
async function rangeOf(operator: SymmetricOperator, rows: Tensor): Promise<Tensor> {
  using images = await applyToRows(operator, rows)
  return scope(() => {
    const [q] = torch.linalg_qr(images.t())
    return q.t().contiguous()
  })
}

/** The inner product of each row of one matrix with the same row of another, float64. */
function innerOfRows(a: Tensor, b: Tensor): Tensor {
  return a.to('float64').mul(b.to('float64')).sum([1])
}
