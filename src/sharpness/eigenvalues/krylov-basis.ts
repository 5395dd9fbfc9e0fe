import { type DType, scope, type Tensor, torch } from '../../torch/index.js'

/** How many columns are in float64 at a time: with a hundred rows these are 100 MB. */
const columnsAtOnce = 2 ** 17

/**
 * Orthonormal vectors v₁ … v_j and their products with an operator, one row each. Sums over the columns are taken in float64, whatever
 * the dtype of the rows.
 */
export class KrylovBasis {
  /** [rows, size] */
  readonly #vectors: Tensor
  /** [rows, size], the products with the vectors. */
  readonly #products: Tensor
  readonly #size: number

  /** A basis of at most `rows` vectors with `size` components. */
  constructor(rows: number, size: number, dtype: DType) {
    this.#size = size
    this.#vectors = torch.empty([rows, size], { dtype })
    this.#products = torch.empty([rows, size], { dtype })
  }

  /** The vector in a row, in another dtype. */
  vector(row: number, dtype: DType): Tensor {
    return this.#vectors.select(0, row).to(dtype).clone()
  }

  setVector(row: number, vector: Tensor): void {
    this.#vectors.select(0, row).copy_(vector)
  }

  setProduct(row: number, product: Tensor): void {
    this.#products.select(0, row).copy_(product)
  }

  /**
   * Takes the first `rows` vectors out of a vector, in place, twice, as it takes to be orthogonal to working precision (Kahan and
   * Parlett's "twice is enough").
   *
   * @param vector float64 [size]
   * @returns the coefficients vᵢᵀw of the vector as it was
   */
  orthogonalize(vector: Tensor, rows: number): Float64Array {
    const coefficients = new Float64Array(rows)
    for (let round = 0; round < 2; round++) {
      const found = this.#coefficients(vector, rows)
      this.#subtract(vector, found, rows)
      found.forEach((value, i) => {
        coefficients[i]! += value
      })
    }
    return coefficients
  }

  /**
   * Replaces the first rows by combinations of them, and keeps as many.
   *
   * @param weights float64 [rows, kept], with orthonormal columns
   */
  combine(weights: Tensor): void {
    const [rows, kept] = weights.shape as [number, number]
    for (const all of [this.#vectors, this.#products]) {
      this.#byColumns((start, length) => {
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
    this.#byColumns((start, length) => {
      const of = (all: Tensor) =>
        weights.t().mm(all.narrow(0, 0, rows).narrow(1, start, length).to('float64'))
      squares.add_(of(this.#products).sub_(of(this.#vectors).mul_(theta)).square_().sum([1]))
    })
    return [...(squares.sqrt().toArray() as number[])]
  }

  /** The combinations of the rows, [count, size]. */
  combinations(weights: Tensor, dtype: DType): Tensor {
    const [rows, count] = weights.shape as [number, number]
    const out = torch.empty([count, this.#size], { dtype })
    this.#byColumns((start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      out.narrow(1, start, length).copy_(weights.t().mm(part))
    })
    return out
  }

  [Symbol.dispose](): void {
    this.#vectors.dispose()
    this.#products.dispose()
  }

  #coefficients(vector: Tensor, rows: number): Float64Array {
    const sum = torch.zeros([rows], { dtype: 'float64' })
    this.#byColumns((start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      sum.add_(part.mv(vector.narrow(0, start, length)))
    })
    return sum.toTypedArray() as Float64Array
  }

  #subtract(vector: Tensor, coefficients: Float64Array, rows: number): void {
    const weights = torch.tensor(coefficients)
    this.#byColumns((start, length) => {
      const part = this.#vectors.narrow(0, 0, rows).narrow(1, start, length).to('float64')
      vector.narrow(0, start, length).sub_(part.t().mv(weights))
    })
  }

  #byColumns(work: (start: number, length: number) => void): void {
    for (let start = 0; start < this.#size; start += columnsAtOnce) {
      scope(() => work(start, Math.min(columnsAtOnce, this.#size - start)))
    }
  }
}
