import { expectList, expectObject, within } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor } from '../../torch/internal.js'
import type { RowSpace } from './row-space.js'

/** What is known of A without its rows: Q and Σ of its singular value decomposition A = UΣQᵀ. */
export interface Spectrum {
  /**
   * Q, orthonormal columns in the order of the singular values, float64 [m, k], with k = min(rows, m), or min(rows − 1,
   * m) for centred rows.
   */
  readonly directions: Tensor
  /** σ₁ ≥ … ≥ σ_k. */
  readonly singularValues: readonly number[]
  /** What rounding may hide: a singular value up to this size may be found to be 0. */
  readonly uncertainty: number
}

/**
 * Cuts a spectrum at a tolerance: the row space of the directions whose singular values are above tolerance · σ₁.
 *
 * @param spectrum the directions and singular values
 * @param tolerance from 0 to 1
 * @returns the row space
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const spectrum = { directions: torch.eye(3), singularValues: [4, 2, 0], uncertainty: 0 }
 * console.log(cutAt(spectrum, 0.1).rank) // → 2
 */
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
 * Bounds, for each rank r = 0 … k, how far a projection of V on the first r directions may move any logit of any of the
 * rows:
 *
 * max |A(I − Q_r Q_rᵀ)V| ≤ max_j √( Σ_{i>r} σ_i² (q_iᵀv_j)² + u² ‖(I − Q_r Q_rᵀ)v_j‖² ), with u the uncertainty.
 *
 * It holds because one row's logit is no longer than that of all rows together. It needs no pass over the data.
 *
 * @param spectrum the directions and singular values of the rows
 * @param v V, float64 [m, n]
 * @returns the bound for each rank from 0 to k, float64 [k + 1]
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const directions = torch.eye(2).to('float64')
 * const spectrum = { directions, singularValues: [3, 1], uncertainty: 0 }
 * console.log(driftBounds(spectrum, torch.tensor([[0], [2]], { dtype: 'float64' }))) // → Float64Array(3) [ 2, 2, 0 ]
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

/**
 * Bounds how far a projection of V on a row space may move any logit of any of the rows: {@link driftBounds} at its
 * rank.
 *
 * @param spectrum the directions and singular values of the rows
 * @param space a row space that was cut from the spectrum, as by `cutAt`
 * @param v V, float64 [m, n]
 * @returns the bound
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const directions = torch.eye(2).to('float64')
 * const spectrum = { directions, singularValues: [3, 1], uncertainty: 0 }
 * const v = torch.tensor([[0], [2]], { dtype: 'float64' })
 * console.log(driftBoundAt(spectrum, cutAt(spectrum, 0.5), v)) // → 2
 */
export function driftBoundAt(spectrum: Spectrum, space: RowSpace, v: Tensor): number {
  expectObject('space', space)
  return driftBounds(spectrum, v)[space.rank]!
}
