import { count, expectObject, refuseArgument, SosError, within } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { hold } from '../../torch/internal.js'
import { blockLength, blocksOf } from './row-chunk.js'
import type { RowSpace } from './row-space.js'
import { cutAt, type Spectrum } from './spectrum.js'

const EPS = 2 ** -52

/**
 * The width of the column panels in which G is computed. Of each panel only what lies from the diagonal to the right is
 * computed, little more than half of G in all, since G is symmetric. ATen has no syrk.
 */
const PANEL = 512

/**
 * Adds up the Gram matrix AᵀA of rows that come in chunks, in float64. It is all that full-data optimum shifting needs
 * of A, and its memory does not depend on the number of rows. It is never kept in float32, which could only resolve
 * singular values above √(m·eps₃₂) of the largest: 1.6 · 10⁻² for m = 2048.
 *
 * @example
 * using gram = new GramAccumulator(4)
 * for (const rows of torch.rand([30, 4]).split(10)) await gram.add(rows)
 * console.log(gram.rows, (await rowSpaceOfGram(gram)).rank) // → 30 4
 */
export class GramAccumulator {
  /** m, the number of columns of A. */
  readonly features: number
  #rows = 0
  readonly #upper: Tensor // Only the panels, from the diagonal to the right, are updated.
  readonly #sum: Tensor
  readonly #ones: Tensor
  readonly #panels: { start: number; width: number; sums: Tensor }[] = []

  /**
   * @param features m, the number of columns of the rows to come
   * @throws `ERR_INVALID_ARGUMENT` if it is not a whole number of at least 1
   */
  constructor(features: number) {
    count('features', features)
    this.features = features
    this.#upper = keepTensor(torch.zeros([features, features], { dtype: 'float64' }))
    this.#sum = keepTensor(torch.zeros([features], { dtype: 'float64' }))
    this.#ones = keepTensor(torch.ones([blockLength(features)], { dtype: 'float64' }))
    for (let start = 0; start < features; start += PANEL) {
      const width = Math.min(PANEL, features - start)
      const sums = keepTensor(this.#upper.narrow(0, start, width).narrow(1, start, features - start))
      this.#panels.push({ start, width, sums })
    }
  }

  /** The number of rows added so far. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Adds AᵀA of these rows, off the event loop.
   *
   * @param rows [k, m], any floating-point dtype and device
   * @throws `ERR_SHAPE`, `ERR_DTYPE`
   */
  async add(rows: Tensor): Promise<void> {
    using _held = hold('add()', [rows])
    await torch.noGrad(async () => {
      for await (const block of blocksOf(rows, this.features)) {
        await scope(() => this.#addBlock(block))
        this.#rows += block.shape[0]!
      }
    })
  }

  /** AᵀA, float64 [m, m]. */
  gram(): Tensor {
    return scope(() => this.#upper.triu().add(this.#upper.triu(1).t()))
  }

  /** ā, the mean of the rows, float64 [m]. */
  mean(): Tensor {
    return this.#sum.div(this.#rows)
  }

  /** The Gram matrix of the centred rows: (A − 1āᵀ)ᵀ(A − 1āᵀ) = AᵀA − N āāᵀ, float64 [m, m]. */
  scatter(): Tensor {
    return scope(() => {
      const mean = this.mean()
      return this.gram().sub(mean.outer(mean).mul(this.#rows))
    })
  }

  /** Frees the sums. */
  dispose(): void {
    for (const { sums } of this.#panels) sums.dispose()
    for (const tensor of [this.#upper, this.#sum, this.#ones]) tensor.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async #addBlock(block: Tensor): Promise<void> {
    const { features } = this
    const products = this.#panels.map(({ start, width, sums }) =>
      torch.async.addmm_(sums, block.narrow(1, start, width).t(), block.narrow(1, start, features - start)),
    )
    const ones = this.#ones.narrow(0, 0, block.shape[0]!)
    await Promise.all([...products, torch.async.addmv_(this.#sum, block.t(), ones)])
  }
}

/** How the spectrum of rows that were added up is computed. */
export interface StreamOptions {
  /** Singular values below this share of the largest one count as zero. */
  tolerance?: number
  /** Whether to take the rows less their mean, for the bias mode `absorb`. Default: false. */
  centred?: boolean
}

/**
 * Finds the row space of the rows that a Gram matrix was added up from, by its eigenvalues λ = σ².
 *
 * @param gram the sums, with all rows added
 * @param options the tolerance, and whether to centre the rows
 * @param options.tolerance default: 10⁻⁶, the one for float32 features, or the smallest that the Gram matrix resolves
 * @returns the row space at that tolerance
 * @throws `ERR_TOLERANCE` for a tolerance below √(m·eps₆₄), whose square is lost in the rounding of G; `ERR_NOT_FINITE`
 *   if a row held NaN or infinity
 * @example
 * using gram = new GramAccumulator(5)
 * await gram.add(torch.rand([30, 2]).matmul(torch.rand([2, 5])))
 * console.log((await rowSpaceOfGram(gram)).rank) // → 2
 */
export async function rowSpaceOfGram(gram: GramAccumulator, options: StreamOptions = {}): Promise<RowSpace> {
  if (!(gram instanceof GramAccumulator)) refuseArgument('a GramAccumulator', 'gram', gram)
  expectObject('options', options)
  const spectrum = await spectrumOfGram(gram, options)
  const largest = spectrum.singularValues[0] ?? 0
  const floor = largest === 0 ? 0 : spectrum.uncertainty / largest
  const { tolerance = Math.max(1e-6, floor) } = options
  if (tolerance < floor) {
    throw new SosError(
      'ERR_TOLERANCE',
      `expected a tolerance of at least ${floor.toExponential(2)}, the smallest that a Gram matrix of ${gram.features} features resolves in float64, but received ${tolerance}; use TSQR for less`,
    )
  }
  return cutAt(spectrum, tolerance)
}

/**
 * Computes the spectrum of the rows that a Gram matrix was added up from, off the event loop: G = QΣ²Qᵀ. Its
 * uncertainty is √(m·eps₆₄·‖G‖), for centred rows too: singular values that the mean outweighs are lost.
 *
 * @param gram the sums, with all rows added
 * @param options whether to centre the rows; its tolerance is not used
 * @returns directions and singular values
 * @throws `ERR_NOT_FINITE` if a row held NaN or infinity
 * @example
 * using gram = new GramAccumulator(4)
 * await gram.add(torch.eye(4).mul(2))
 * console.log((await spectrumOfGram(gram)).singularValues) // → [ 2, 2, 2, 2 ]
 */
export async function spectrumOfGram(gram: GramAccumulator, options: StreamOptions = {}): Promise<Spectrum> {
  if (!(gram instanceof GramAccumulator)) refuseArgument('a GramAccumulator', 'gram', gram)
  expectObject('options', options)
  const { centred = false, tolerance = 0 } = options
  within(0, 1)('tolerance', tolerance)
  return scope(async () => {
    const full = gram.gram()
    const matrix = centred ? gram.scatter() : full
    if (full.isfinite().all().item() !== 1) {
      throw new SosError('ERR_NOT_FINITE', 'the rows of the Gram matrix held NaN or infinity')
    }
    const [eigenvalues, eigenvectors] = await torch.async.linalg_eigh(matrix)
    const descending = Array.from(eigenvalues.flip([0]).toTypedArray<Float64Array>())
    const norm = centred ? full.square().sum().sqrt().item() : Math.max(0, descending[0]!)
    const reached = Math.min(Math.max(0, gram.rows - (centred ? 1 : 0)), gram.features)
    return {
      directions: eigenvectors.flip([1]).narrow(1, 0, reached).contiguous(),
      singularValues: descending.slice(0, reached).map((value) => Math.sqrt(Math.max(0, value))),
      uncertainty: Math.sqrt(gram.features * EPS * norm),
    }
  })
}
