import { SosError } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { epsilon, type Generator } from '../../torch/internal.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import type { KrylovBasis } from './krylov-basis.js'
import { ProjectedMatrix } from './projected-matrix.js'

/** What a basis says of the operator's eigenvalues. The caller disposes of `weights`. */
export interface RitzValues {
  /** Ascending. */
  readonly values: readonly number[]
  /** The vectors as combinations of the basis: float64 [rows, values], with orthonormal columns. */
  readonly weights: Tensor
  /** The norms of the residuals by the recurrence, which does not see rounding. */
  readonly bounds: readonly number[]
}

/** What a computation goes on from. */
export interface LanczosState {
  /** The projected matrix, float64 [rows, rows]. */
  readonly matrix: Tensor
  /** [rows + 1, size] */
  readonly vectors: Tensor
  /** [rows, size] */
  readonly products: Tensor
  /** The state of the generator of random directions. */
  readonly generator: Tensor
  readonly remainder: number
  readonly scale: number
}

/**
 * Lanczos's method with full reorthogonalisation: an orthonormal basis of the space of b, Hb, H²b, … for a random b, which grows by a
 * vector for each product. It can be thinned to combinations of its vectors, and grows on from there (Wu and Simon 2000).
 */
export class Lanczos {
  readonly #operator: SymmetricOperator
  readonly #basis: KrylovBasis
  readonly #matrix = new ProjectedMatrix()
  readonly #generator: Generator
  /** The part of the last product that is orthogonal to the basis: its norm. */
  #remainder = 0
  /** The largest magnitude in the projected matrix so far, a lower bound of the operator's norm. */
  #scale = 0

  /**
   * @param basis with a row more than the products that will be made between two restarts; this object frees it
   * @param first the first vector, not 0; a random one by default
   */
  constructor(operator: SymmetricOperator, basis: KrylovBasis, seed: number, first?: Tensor) {
    this.#operator = operator
    this.#basis = basis
    this.#generator = new torch.Generator(seed)
    scope(() => this.#basis.setVector(0, first ? unit(first.to('float64')) : this.#newDirection(0)))
  }

  /** How many vectors the basis has. */
  get rows(): number {
    return this.#matrix.size
  }

  /** Whether the basis is closed under the operator, so that a further vector would have nothing to do with the first one. */
  get isClosed(): boolean {
    return this.rows > 0 && this.#remainder === 0
  }

  /** Makes one product, adds its vector, and returns the product. Throws `ERR_NOT_FINITE`, and what the operator throws. */
  async step(): Promise<Tensor> {
    const { dtype, size } = this.#operator
    const row = this.rows
    using vector = this.#basis.vector(row, dtype)
    const [product] = await this.#operator.apply([vector])
    const own = product!
    scope(() => {
      this.#basis.setProduct(row, own)
      const rest = own.to({ dtype: 'float64', copy: true })
      const coefficients = this.#basis.orthogonalize(rest, row + 1)
      const norm = rest.square().sum().sqrt().item()
      if (!Number.isFinite(norm)) {
        throw new SosError(
          'ERR_NOT_FINITE',
          `expected finite products of the operator, but product ${row + 1} has NaN or infinite values`,
        )
      }
      this.#matrix.push(coefficients)
      this.#scale = Math.max(this.#scale, ...coefficients.map(Math.abs), norm)
      if (row + 1 === size) {
        this.#remainder = 0
        return
      }
      // If nothing but rounding remains, the basis is closed under the operator and says nothing of the rest of the space.
      const isClosed = norm <= 64 * epsilon(dtype) * this.#scale
      this.#remainder = isClosed ? 0 : norm
      this.#basis.setVector(row + 1, isClosed ? this.#newDirection(row + 1) : rest.div_(norm))
    })
    return own
  }

  /** The first vector of the basis, in the operator's dtype. The caller disposes of it. */
  firstVector(): Tensor {
    return this.#basis.vector(0, this.#operator.dtype)
  }

  /** All of the present state; the vectors and the products share the memory of the basis. The caller frees the tensors. */
  state(): LanczosState {
    const { rows } = this
    const matrix = this.#matrix.toTensor()
    const generator = this.#generator.getState()
    return {
      ...{ remainder: this.#remainder, scale: this.#scale },
      ...{ matrix, generator, ...this.#basis.parts(rows + 1, rows) },
    }
  }

  /** Goes on from a state. */
  restore({ matrix, generator, vectors, products, remainder, scale }: LanczosState): void {
    this.#matrix.load(matrix)
    this.#generator.setState(generator)
    this.#remainder = remainder
    this.#scale = scale
    scope(() => {
      const own = this.#basis.parts(this.rows + 1, this.rows)
      own.vectors.copy_(vectors)
      own.products.copy_(products)
    })
  }

  async ritz(): Promise<RitzValues> {
    const { values, vectors } = await this.#matrix.eigen()
    const last = scope(() => vectors.select(0, this.rows - 1).toTypedArray() as Float64Array)
    return { values, weights: vectors, bounds: [...last].map((part) => this.#remainder * Math.abs(part)) }
  }

  /** The norms ‖Hx − θx‖ of the combinations of the basis, from its products. */
  residuals({ values, weights }: RitzValues, places: readonly number[]): number[] {
    return scope(() =>
      this.#basis.residuals(
        columns(weights, places),
        places.map((place) => values[place]!),
      ),
    )
  }

  /** The unit vectors that belong to values, one a row, in the operator's dtype. */
  vectors({ weights }: RitzValues, places: readonly number[]): Tensor {
    return scope(() => this.#basis.combinations(columns(weights, places), this.#operator.dtype))
  }

  /** Keeps the combinations of the basis that belong to some of its values, and the direction in which it would have grown. */
  restart({ values, weights }: RitzValues, places: readonly number[]): void {
    scope(() => {
      const direction = this.#basis.vector(this.rows, 'float64')
      this.#basis.combine(columns(weights, places))
      this.#matrix.reset(places.map((place) => values[place]!))
      this.#basis.orthogonalize(direction, this.rows)
      this.#basis.setVector(this.rows, unit(direction))
    })
  }

  [Symbol.dispose](): void {
    this.#basis[Symbol.dispose]()
  }

  /** A random unit vector, float64, orthogonal to the first rows of the basis. */
  #newDirection(rows: number): Tensor {
    const options = { generator: this.#generator, dtype: 'float64' } as const
    const vector = torch.randn([this.#operator.size], options)
    this.#basis.orthogonalize(vector, rows)
    return unit(vector)
  }
}

function unit(vector: Tensor): Tensor {
  return vector.div(vector.square().sum().sqrt())
}

function columns(weights: Tensor, places: readonly number[]): Tensor {
  return weights.index_select(1, torch.tensor([...places], { dtype: 'int64' }))
}
