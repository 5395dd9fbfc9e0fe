import { scope, type Tensor } from '../../torch/index.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'

/**
 * An operator on the complement of some of its eigenvectors: P H P with P = I − XᵀX.
 *
 * @param vectors X, orthonormal rows [count, size]
 */
export function deflated(operator: SymmetricOperator, vectors: Tensor): SymmetricOperator {
  return {
    size: operator.size,
    dtype: operator.dtype,
    async apply(given) {
      const own = given.map((vector) => complementOf(vector, vectors))
      const products = await operator.apply(own)
      for (const vector of own) vector.dispose()
      return products.map((product) => {
        using all = product
        return complementOf(all, vectors)
      })
    },
  }
}

/** The part of a vector that is orthogonal to the rows of X. The caller disposes of it. */
export function complementOf(vector: Tensor, vectors: Tensor): Tensor {
  return scope(() => vector.sub(vectors.t().mv(vectors.mv(vector))))
}
