import { count, expectObject, refuseArgument, SosError, within } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { hold } from '../../torch/internal.js'
import type { StreamOptions } from './gram.js'
import { blocksOf } from './row-chunk.js'
import type { RowSpace } from './row-space.js'
import { cutAt, type Spectrum } from './spectrum.js'

const EPS = 2 ** -52

/**
 * Keeps the triangular factor R of rows that come in chunks, by a QR decomposition of [R; chunk] for each (sequential
 * TSQR: Demmel et al. 2012, "Communication-optimal parallel and sequential QR and LU factorizations"). It works in
 * float64, in memory that does not depend on the number of rows.
 *
 * R has A's singular values to m·eps₆₄ · σ₁, whereas a Gram matrix has their squares to that precision. Use it for
 * tolerances below √(m·eps₆₄). It takes about three times as long.
 *
 * The rows go in as [1 A]. R without its first column is a factor of A, and without its first row too it is a factor of
 * the rows less their mean.
 *
 * @example
 * using tsqr = new TsqrAccumulator(4)
 * for (const rows of torch.rand([30, 4]).split(10)) await tsqr.add(rows)
 * console.log(tsqr.rows, (await rowSpaceOfTsqr(tsqr)).rank) // → 30 4
 */
export class TsqrAccumulator {
  /** m, the number of columns of A. */
  readonly features: number
  #rows = 0
  #factor: Tensor // [≤ m + 1, m + 1]
  #waiting: Tensor[] = []
  #last: Promise<void> = Promise.resolve()

  /**
   * @param features m, the number of columns of the rows to come
   * @throws `ERR_INVALID_ARGUMENT` if it is not a whole number of at least 1
   */
  constructor(features: number) {
    count('features', features)
    this.features = features
    this.#factor = keepTensor(torch.zeros([0, features + 1], { dtype: 'float64' }))
  }

  /** The number of rows added so far. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Updates R to the factor of [R; rows], off the event loop. Rows wait until there are more of them than columns,
   * since a QR decomposition costs as much for one row.
   *
   * @param rows [k, m], any floating-point dtype and device
   * @throws `ERR_SHAPE`, `ERR_DTYPE`
   */
  async add(rows: Tensor): Promise<void> {
    using _held = hold('add()', [rows])
    const added = this.#last.then(() => torch.noGrad(() => this.#addRows(rows)))
    this.#last = added.catch(() => {})
    await added
  }

  /** The factor of [1 A], float64 [min(rows, m + 1), m + 1]. The signs of its rows are arbitrary. */
  async factor(): Promise<Tensor> {
    await this.#last
    await torch.noGrad(() => this.#reduce())
    return this.#factor.clone()
  }

  /** Frees the factor and the waiting rows. */
  dispose(): void {
    for (const tensor of [this.#factor, ...this.#waiting.splice(0)]) tensor.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async #addRows(rows: Tensor): Promise<void> {
    for await (const block of blocksOf(rows, this.features)) {
      const { shape } = block
      this.#waiting.push(
        keepTensor(scope(() => torch.cat([torch.ones([shape[0]!, 1], { dtype: 'float64' }), block], 1))),
      )
      this.#rows += shape[0]!
      const waiting = this.#waiting.reduce((sum, tensor) => sum + tensor.shape[0]!, 0)
      if (waiting > this.features) await this.#reduce()
    }
  }

  async #reduce(): Promise<void> {
    if (this.#waiting.length === 0) return
    const parts = [this.#factor, ...this.#waiting.splice(0)]
    this.#factor = keepTensor(
      await scope(async () => {
        const [, factor] = await torch.async.linalg_qr(await torch.async.cat(parts), 'r')
        return factor
      }),
    )
    for (const part of parts) part.dispose()
  }
}

/**
 * Finds the row space of the rows that a factor was computed from, by the singular values of R.
 *
 * @param tsqr the factor, with all rows added
 * @param options the tolerance, and whether to centre the rows
 * @param options.tolerance default: 10⁻¹², the one for float64 features, or the smallest that float64 resolves
 * @returns the row space at that tolerance
 * @throws `ERR_NOT_FINITE` if a row held NaN or infinity
 * @example
 * using tsqr = new TsqrAccumulator(5)
 * await tsqr.add(torch.rand([30, 2], { dtype: 'float64' }).matmul(torch.rand([2, 5], { dtype: 'float64' })))
 * console.log((await rowSpaceOfTsqr(tsqr)).rank) // → 2
 */
export async function rowSpaceOfTsqr(tsqr: TsqrAccumulator, options: StreamOptions = {}): Promise<RowSpace> {
  if (!(tsqr instanceof TsqrAccumulator)) refuseArgument('a TsqrAccumulator', 'tsqr', tsqr)
  expectObject('options', options)
  const { tolerance = Math.max(1e-12, tsqr.features * EPS) } = options
  within(0, 1)('tolerance', tolerance)
  return cutAt(await spectrumOfTsqr(tsqr, options), tolerance)
}

/**
 * Computes the spectrum of the rows that a factor was computed from, by a singular value decomposition of R, off the
 * event loop. Its uncertainty is m·eps₆₄·‖R‖.
 *
 * @param tsqr the factor, with all rows added
 * @param options whether to centre the rows; its tolerance is not used
 * @returns directions and singular values
 * @throws `ERR_NOT_FINITE` if a row held NaN or infinity
 * @example
 * using tsqr = new TsqrAccumulator(3)
 * await tsqr.add(torch.rand([2, 3]))
 * console.log((await spectrumOfTsqr(tsqr)).directions.shape) // → [ 3, 2 ]
 */
export async function spectrumOfTsqr(tsqr: TsqrAccumulator, options: StreamOptions = {}): Promise<Spectrum> {
  if (!(tsqr instanceof TsqrAccumulator)) refuseArgument('a TsqrAccumulator', 'tsqr', tsqr)
  expectObject('options', options)
  const { centred = false, tolerance = 0 } = options
  within(0, 1)('tolerance', tolerance)
  return scope(async () => {
    const whole = await tsqr.factor()
    if (whole.isfinite().all().item() !== 1) {
      throw new SosError('ERR_NOT_FINITE', 'the rows held NaN or infinity')
    }
    const first = centred ? 1 : 0
    const rows = Math.max(0, whole.shape[0]! - first)
    const factor = whole.narrow(0, whole.shape[0]! - rows, rows).narrow(1, 1, tsqr.features)
    const [, sigma, qt] = await torch.async.linalg_svd(factor, false)
    const norm = whole.square().sum().sqrt().item()
    return {
      directions: qt.t().contiguous(),
      singularValues: Array.from(sigma.toTypedArray<Float64Array>()),
      uncertainty: tsqr.features * EPS * norm,
    }
  })
}
