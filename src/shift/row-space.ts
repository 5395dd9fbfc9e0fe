import type { DType } from '../torch/dtype.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor.js'

/**
 * The row space of A, from its singular value decomposition A = U Σ Qᵀ.
 */
export interface RowSpace {
  /** An orthonormal basis, float64 [m, rank]. */
  readonly basis: Tensor
  readonly rank: number
  /** All min(rows, m) singular values, in descending order. */
  readonly singularValues: readonly number[]
  /** Singular values above tolerance · σ₁ are kept. */
  readonly tolerance: number
}

/**
 * The rank tolerance by the dtype of the features: what is below it is noise of their arithmetic. The usual
 * max(rows, m) · eps would cut directions that carry logits: on collapsed features it halves the rank.
 */
export function defaultTolerance(dtype: DType): number {
  if (dtype === 'float64') return 1e-12
  if (dtype === 'float16' || dtype === 'bfloat16') return 1e-3
  return 1e-6
}

/**
 * Finds the row space of A by a singular value decomposition in float64 on the CPU, off the event loop.
 *
 * @param a [rows, m], any floating dtype
 */
export async function rowSpace(a: Tensor, tolerance = defaultTolerance(a.dtype)): Promise<RowSpace> {
  return scope(async () => {
    const [, sigma, qt] = await torch.async.linalg_svd(a.to('float64'), false)
    const singularValues = Array.from(sigma.toTypedArray() as Float64Array)
    const floor = tolerance * singularValues[0]!
    const rank = singularValues.filter((value) => value > floor).length
    return { basis: qt.narrow(0, 0, rank).t(), rank, singularValues, tolerance }
  })
}

/**
 * The orthogonal projection of V onto the row space: V* = Q(QᵀV), the least-norm solution of AV* = AV (equation 13 of the
 * paper, without its inverse).
 *
 * @param v float64 [m, n]
 * @returns float64 [m, n]
 */
export function project({ basis }: RowSpace, v: Tensor): Tensor {
  return scope(() => basis.matmul(basis.t().matmul(v)))
}
