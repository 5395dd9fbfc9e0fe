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
 * Estimates the trace of a symmetric operator from half as many random vectors as products (XTrace: Epperly, Tropp and Webber 2024).
 * The operator's products with the vectors span a space that holds much of the operator; there the trace is exact, and each vector estimates
 * the rest of it from the space of all others. It needs far fewer products than Hutchinson's estimate if the eigenvalues decay, and is not
 * worse if they do not.
 *
 * With Y = HΩ = QR, w = Qᵀω and s the unit vector along the column of R⁻ᵀ that belongs to ω, the space without ω is that of Q(I − ssᵀ), and
 *
 *     tr(QᵀHQ) − sᵀQᵀHQs + (size − m + 1) · rᵀHr / rᵀr,    r = ω − Q(w − s sᵀw),
 *
 * is the estimate of ω; the result is the mean over the m vectors.
 *
 * @param operator the operator; `products`/2 vectors, their products and a basis are in memory together
 * @param options the products
 * @param options.products how many products, an even number of at least 4, at most twice the operator's size
 * @param options.seed the seed of the vectors
 * @returns the estimate; `probes` is the number of vectors, and `standardError` takes their estimates for independent, which is nearly so
 * @throws `ERR_INVALID_ARGUMENT` for invalid options, and what the operator throws
 * @example
 * const diagonal = torch.tensor([100, 1, 0, 0, 0, 0, 0, 0], { dtype: 'float64' })
 * const operator = { size: 8, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.mul(diagonal)) } as const
 * console.log((await xTrace(operator, { products: 8, seed: 0 })).trace.toFixed(6)) // → 101.000000
 */
export async function xTrace(
  operator: SymmetricOperator,
  options: { products: number; seed: number },
): Promise<TraceEstimate> {
  expectObject('operator', operator)
  expectObject('options', options)
  count('operator.size', operator.size)
  checkNumbers(options, { products: whole(4), seed: wholeSeed })
  const { products, seed } = options
  const { size, dtype } = operator
  if (products % 2 !== 0 || products > 2 * size)
    refuseArgument(`an even number, at most twice the operator's size of ${size},`, 'products', products)
  const m = products / 2
  const generator = new torch.Generator(seed)
  using vectors = torch.randn([m, size], { generator, dtype })
  using images = await applyToRows(operator, vectors)
  // Rows are vectors here: images = triangleᵀ · basis.
  const [q, triangle] = scope(() => torch.linalg_qr(images.t()))
  using basis = q.t().contiguous()
  q.dispose()
  using upper = triangle
  using ofBasis = await applyToRows(operator, basis)
  const perProbe = scope(() => estimates({ vectors, images, basis, upper, ofBasis }))
  const { mean, standardError } = meanWithError(perProbe)
  return { trace: mean, size, standardError, probes: m, perProbe }
}

interface Pieces {
  vectors: Tensor
  images: Tensor
  basis: Tensor
  upper: Tensor
  ofBasis: Tensor
}

/** The estimate of each vector from the space of all others. */
function estimates({ vectors, images, basis, upper, ofBasis }: Pieces): number[] {
  const [m, size] = vectors.shape as [number, number]
  const inner = (a: Tensor, b: Tensor) => a.mm(b.t()).to('float64')
  const rowSums = (a: Tensor) => a.sum([1])
  const projected = inner(basis, ofBasis)
  const h = projected.add(projected.t()).mul(0.5)
  const w = inner(vectors, basis)
  const r = upper.to('float64')
  const s = unitRows(inverse(r))
  const along = rowSums(s.mul(w)).unsqueeze(1)
  const u = w.sub(s.mul(along))
  const squares = rowSums(vectors.to('float64').square()).sub(rowSums(u.square()))
  // rᵀHr by HΩ = Y and QᵀY = R: ωᵀy − 2 uᵀ(column of R) + uᵀQᵀHQu.
  const rest = rowSums(vectors.to('float64').mul(images.to('float64')))
    .sub(rowSums(u.mul(r.t())).mul(2))
    .add(rowSums(u.mm(h).mul(u)))
  const share = rest.mul(size - m + 1).div(squares.clamp({ min: Number.MIN_VALUE }))
  // Where nothing remains of a vector, the space of the others is everything.
  const remains = squares.gt(1e-10 * size)
  const within = h.trace().sub(rowSums(s.mm(h).mul(s)))
  return [...(within.add(share.mul(remains)).toArray() as number[])]
}

/** R⁻¹. A diagonal entry that is 0 next to the largest, as when H has a low rank, counts as rounding. */
function inverse(upper: Tensor): Tensor {
  const diagonal = upper.diagonal()
  const largest = diagonal.abs().max().item()
  const least = largest > 0 ? largest * 1e-14 : 1
  const missing = diagonal.abs().lt(least)
  const repaired = upper.add(torch.diag(missing.to('float64').mul(least)))
  return torch.linalg_solve_triangular(repaired, torch.eye(upper.shape[0]!, { dtype: 'float64' }), {
    upper: true,
  })
}

function unitRows(matrix: Tensor): Tensor {
  return matrix.div(matrix.square().sum([1], true).sqrt())
}
