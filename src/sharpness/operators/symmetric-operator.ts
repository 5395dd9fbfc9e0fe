import type { DType, Tensor } from '../../torch/index.js'

/** A symmetric matrix that is known by its products alone. This is all that the estimators see of a model. */
export interface SymmetricOperator {
  /** The matrix is size × size. */
  readonly size: number
  /** The dtype of the vectors and the products, which live on the CPU. */
  readonly dtype: DType
  /**
   * The products with several vectors, each [size]. Together they cost less than one by one. The caller disposes of
   * them.
   */
  apply(vectors: readonly Tensor[]): Promise<Tensor[]>
}
