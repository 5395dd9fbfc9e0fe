import type { DType, Tensor } from '../torch/index.js'

/** A symmetric matrix known by its products alone: all that the algorithms of this folder see of a model. */
export interface SymmetricOperator {
  /** The matrix is size × size. */
  readonly size: number
  /** Of the vectors and products, which live on the CPU. */
  readonly dtype: DType
  /** Its products with several vectors [size], which cost less together than alone. The caller disposes of them. */
  apply(vectors: readonly Tensor[]): Promise<Tensor[]>
}
