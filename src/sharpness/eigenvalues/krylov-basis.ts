import { type DType, scope, type Tensor, torch } from '../../torch/index.js'

/** How many float64 numbers of the basis are converted at a time: 8 MB, which caches hold. */
const numbersAtOnce = 2 ** 20

/**
 * Orthonormal vectors v₁ … v_j and, if they are kept, their products with an operator, one row each. Sums over the columns are taken in
 * float64, whatever the dtype of the rows.
 */
export class KrylovBasis {
  /** [rows, size] */
  readonly #vectors: Tensor
  /** [rows, size], the products with the vectors; null if they are not kept. */
  readonly #products: Tensor | null
  readonly #size: number

  /**
   * @param vectors memory for the vectors, [rows, size], which this object frees
   * @param products memory for their products, without which there are no {@link residuals}
   */
  constructor(vectors: Tensor, products: Tensor | null) {
    this.#vectors = vectors
    this.#products = products
    this.#size = vectors.shape[1]!
  }

  /** The vector in a row, in another dtype. */
  vector(row: number, dtype: DType): Tensor {
    return this.#vectors.select(0, row).to({ dtype, copy: true })
  }

  setVector(row: number, vector: Tensor): void {
    this.#vectors.select(0, row).copy_(vector)
  }

  setProduct(row: number, product: Tensor): void {
    this.#products?.select(0, row).copy_(product)
  }

  /** The first rows of the vectors and of the products. They share the memory of the basis. */
  parts(vectors: number, products: number): { vectors: Tensor; products: Tensor } {
    return {
      vectors: this.#vectors.narrow(0, 0, vectors),
      products: this.#products!.narrow(0, 0, products),
    }
  }

  /**
   * Takes the first `rows` vectors out of a vector, in place, twice, as it takes to be orthogonal to working precision (Kahan and
   * Parlett's "twice is enough"). The second round repairs the rounding of the first, so that in float32 the first round, and the small
   * correction at the end, need no conversion.
   *
   * @param vector float64 [size]
   * @returns the inner products vᵢᵀw with the vector as it was
   */
  orthogonalize(vector: Tensor, rows: number): Float64Array {
    return scope(() => {
      const all = this.#vectors.narrow(0, 0, rows)
      const isSingle = all.dtype === 'float32'
      const first = isSingle ? all.mv(vector.to('float32')).to('float64') : this.#innerProducts(vector, rows)
      const second = torch.zeros([rows], { dtype: 'float64' })
      this.#byColumns(rows, (start, length) => {
        const part = all.narrow(1, start, length).to('float64')
        const own = vector.narrow(0, start, length)
        own.sub_(part.t().mv(first))
        second.add_(part.mv(own))
      })
      if (isSingle) vector.sub_(all.t().mv(second.to('float32')))
      else this.#subtract(vector, second)
      return first.add(second).toTypedArray() as Float64Array
    })
  }

  /**
   * Replaces the first rows by combinations of them, and keeps as many.
   *
   * @param weights float64 [rows, kept], with orthonormal columns
   */
  combine(weights: Tensor): void {
    const [rows, kept] = weights.shape as [number, number]
    for (const all of [this.#vectors, this.#products]) {
      this.#byColumns(rows, (start, length) => {
        if (all === null) return
        const part = all.narrow(0, 0, rows).narrow(1, start, length)
        all
          .narrow(0, 0, kept)
          .narrow(1, start, length)
          .copy_(weights.t().mm(part.to('float64')))
      })
    }
  }

  /**
   * The norms ‖H x − θ x‖ of x = Σ weights · v, from the products that were made with the rows.
   *
   * @param weights float64 [rows, count]
   * @param values the θ
   */
  residuals(weights: Tensor, values: readonly number[]): number[] {
    const [rows] = weights.shape as [number, number]
    const squares = torch.zeros([values.length], { dtype: 'float64' })
    const theta = torch.tensor([...values], { dtype: 'float64' }).view([-1, 1])
    this.#byColumns(rows, (start, length) => {
      const of = (all: Tensor) =>
        weights.t().mm(all.narrow(0, 0, rows).narrow(1, start, length).to('float64'))
      squares.add_(of(this.#products!).sub_(of(this.#vectors).mul_(theta)).square_().sum([1]))
    })
    return [...(squares.sqrt().toArray() as number[])]
  }

  /** The combinations of the rows, [count, size]. */
  combinations(weights: Tensor, dtype: DType): Tensor {
    const [rows, count] = weights.shape as [number, number]
    const out = torch.empty([count, this.#size], { dtype })
    this.#byColumns(rows, (start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      out.narrow(1, start, length).copy_(weights.t().mm(part))
    })
    return out
  }

  [Symbol.dispose](): void {
    this.#vectors.dispose()
    this.#products?.dispose()
  }

  #innerProducts(vector: Tensor, rows: number): Tensor {
    const sum = torch.zeros([rows], { dtype: 'float64' })
    this.#byColumns(rows, (start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      sum.add_(part.mv(vector.narrow(0, start, length)))
    })
    return sum
  }

  #subtract(vector: Tensor, weights: Tensor): void {
    const [rows] = weights.shape as [number]
    this.#byColumns(rows, (start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      vector.narrow(0, start, length).sub_(part.t().mv(weights))
    })
  }

  #byColumns(rows: number, work: (start: number, length: number) => void): void {
    const columns = Math.max(1024, Math.floor(numbersAtOnce / Math.max(1, rows)))
    for (let start = 0; start < this.#size; start += columns) {
      scope(() => work(start, Math.min(columns, this.#size - start)))
    }
  }
}
