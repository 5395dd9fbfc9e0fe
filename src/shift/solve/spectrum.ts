import { expectList, expectObject, within } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor } from '../../torch/internal.js'
import type { RowSpace } from './row-space.js'

/** What the rows of A reach, without the rows: Q and Σ of its singular value decomposition A = U Σ Qᵀ. */
export interface Spectrum {
  /** Q, orthonormal columns in the order of the singular values, float64 [m, k] with k = min(rows, m), or min(rows − 1, m) of centred rows. */
  readonly directions: Tensor
  /** σ₁ ≥ … ≥ σ_k. */
  readonly singularValues: readonly number[]
  /** What rounding may hide: a singular value that is really this large may be found to be 0. */
  readonly uncertainty: number
}

/** The row space at a tolerance: the directions whose singular values are above tolerance · σ₁. */
export function cutAt(spectrum: Spectrum, tolerance: number): RowSpace {
  expectObject('spectrum', spectrum)
  const { directions, singularValues } = spectrum
  within(0, 1)('tolerance', tolerance)
  expectTensor('its directions', directions)
  expectList('its singular values', singularValues)
  const least = tolerance * (singularValues[0] ?? 0)
  const rank = singularValues.filter((value) => value > least).length
  return { basis: directions.narrow(1, 0, rank), rank, singularValues, filter: null }
}

/**
 * For each rank r = 0 … k, how far a projection of V on the first r directions may move any logit of any of the rows:
 *
 * max |A(I − Q_r Q_rᵀ)V| ≤ max_j √( Σ_{i>r} σ_i² (q_iᵀv_j)² + u² ‖(I − Q_r Q_rᵀ)v_j‖² ), u the uncertainty,
 *
 * for a logit of one row is no longer than the logits of all rows together. It costs no pass over the data.
 *
 * @param v float64 [m, n]
 */
export function driftBounds(spectrum: Spectrum, v: Tensor): Float64Array {
  expectObject('spectrum', spectrum)
  expectTensor('its directions', spectrum.directions)
  expectTensor('v', v)
  const { directions, singularValues, uncertainty } = spectrum
  return scope(() => {
    const squares = directions.t().matmul(v).square()
    const energies = torch
      .tensor([...singularValues], { dtype: 'float64' })
      .square()
      .unsqueeze(1)
    const none = torch.zeros([1, v.shape[1]!], { dtype: 'float64' })
    const beyond = torch.cat([squares.mul(energies).flip([0]).cumsum(0).flip([0]), none])
    const kept = torch.cat([none, squares.cumsum(0)])
    const lost = v.square().sum([0]).sub(kept).clamp(0)
    return beyond
      .add(lost.mul(uncertainty ** 2))
      .amax([1])
      .sqrt()
      .toTypedArray<Float64Array>()
  })
}

/** {@link driftBounds} of a row space that was cut from the spectrum. */
export function driftBoundAt(spectrum: Spectrum, space: RowSpace, v: Tensor): number {
  expectObject('space', space)
  return driftBounds(spectrum, v)[space.rank]!
}
