import type { Tensor } from '../../torch/index.js'

/** A linear map z = aV + b: V [m, n], b [n] or null. */
export interface LinearMap {
  readonly weight: Tensor
  readonly bias: Tensor | null
}
