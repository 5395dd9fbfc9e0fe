import { scope, type Tensor } from '../../torch/index.js'

/** A linear map z = aV + c. */
export interface LinearMap {
  /** V, [m, n]. */
  readonly weight: Tensor
  /** c, [n]; null if there is none. */
  readonly bias: Tensor | null
}

/** The same numbers in float64 on the CPU, without a graph of gradients. */
export function inFloat64(tensor: Tensor): Tensor {
  return tensor.detach().to({ device: 'cpu', dtype: 'float64' })
}

/** ‖V‖, the Frobenius norm, computed in float64. */
export function frobeniusNorm(matrix: Tensor): number {
  return scope(() => matrix.to('float64').square().sum().sqrt().item())
}
