import type { Tensor } from '../../torch/index.js'
import { epsilon } from '../../torch/internal.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import type { EigenvalueFile, EigenvalueProgress } from './eigenvalue-file.js'
import { countOf, type EigenvalueSettings } from './eigenvalue-options.js'
import type { Lanczos, RitzValues } from './lanczos.js'
import { type SpectrumEnd, wantedPlaces } from './spectrum-end.js'

/** An eigenvalue, and how well it is known. */
export interface Eigenvalue {
  /** The value, a Rayleigh quotient. */
  readonly value: number
  /**
   * ‖Hx − λx‖ of its unit vector x, from the products that were made. An eigenvalue of the operator lies within this distance of the
   * value.
   */
  readonly residual: number
  /** Whether the residual is at most `tolerance`·|value|. */
  readonly converged: boolean
}

/** The eigenvalues at an end of a spectrum. */
export interface Eigenvalues {
  /** Fewer than were asked for, if `maxProducts` is smaller. The largest first; for `smallest` the smallest first; for `magnitude` that of the largest magnitude first. */
  readonly eigenvalues: readonly Eigenvalue[]
  /** The unit eigenvectors in the same order, [count, size], if they were asked for. */
  readonly vectors: Tensor | null
  /** How many products with a vector were made. */
  readonly products: number
  /**
   * The rounding unit of the operator's dtype times the largest magnitude found. Residuals are not smaller than a few times this, so
   * that values much smaller than the largest one may not converge in float32.
   */
  readonly floor: number
  /** The operator is size × size. */
  readonly size: number
}

/** Makes products until the wanted values are known. */
export class EigenvalueSearch {
  readonly #operator: SymmetricOperator
  readonly #lanczos: Lanczos
  readonly #settings: EigenvalueSettings
  readonly #file: EigenvalueFile | null
  #products = 0
  /** How many products an earlier run has made. */
  #resumed = 0
  #looked = true
  #closedWith: readonly number[] | null = null

  constructor(
    operator: SymmetricOperator,
    lanczos: Lanczos,
    settings: EigenvalueSettings,
    file: EigenvalueFile | null,
  ) {
    this.#operator = operator
    this.#lanczos = lanczos
    this.#settings = settings
    this.#file = file
  }

  goOnFrom({ products, looked, closedWith }: EigenvalueProgress): void {
    this.#resumed = products
    this.#products = products
    this.#looked = looked
    this.#closedWith = closedWith
  }

  async run(): Promise<Eigenvalues> {
    const { signal } = this.#settings
    for (;;) {
      if (!this.#looked) {
        this.#looked = true
        const found = await this.#look()
        if (found !== null) return found
      }
      try {
        signal?.throwIfAborted()
        await this.#step()
      } catch (error) {
        if (this.#products > 0) await this.#file?.save(this.#lanczos, this.#progress())
        throw error
      }
      if (!signal?.aborted) await this.#file?.saveNowAndThen(this.#lanczos, this.#progress())
    }
  }

  async #step(): Promise<void> {
    const { maxProducts: total, onProgress } = this.#settings
    const product = await this.#lanczos.step()
    if (this.#products === 0 && this.#file !== null) this.#file.noteFirstProduct(product)
    else product.dispose()
    this.#products++
    this.#looked = false
    const resumed = this.#resumed
    onProgress?.({ done: this.#products, total, ...(resumed > 0 && { resumed }) })
  }

  #progress(): EigenvalueProgress {
    return { products: this.#products, looked: this.#looked, closedWith: this.#closedWith }
  }

  /** Returns the eigenvalues if they are known well enough, or if the products are used up. A full basis is thinned. */
  async #look(): Promise<Eigenvalues | null> {
    const { count: wanted, end, maxProducts, basisSize } = this.#settings
    const lanczos = this.#lanczos
    const { size } = this.#operator
    const isFull = lanczos.rows === basisSize
    const isLast = this.#products >= maxProducts || lanczos.rows === size
    if (!isFull && !isLast && !lanczos.isClosed && !isTimeToLook(lanczos.rows, wanted)) return null

    const ritz = await lanczos.ritz()
    using _weights = ritz.weights
    const places = wantedPlaces(ritz.values, wanted, end)
    if (isLast || this.#isComplete(ritz, places)) return await this.#result(ritz, places)
    if (isFull) lanczos.restart(ritz, wantedPlaces(ritz.values, keptOf(basisSize, wanted, end), end))
    return null
  }

  #isComplete({ values, bounds }: RitzValues, places: readonly number[]): boolean {
    const { count: wanted, end, tolerance } = this.#settings
    const { size } = this.#operator
    const floor = this.#floor(values)
    const found = places.map((place) => values[place]!)
    const isNear = places.every(
      (place) => bounds[place]! <= Math.max(tolerance * Math.abs(values[place]!), floor),
    )
    const isWhole = places.length === countOf(size, wanted, end) && isNear
    if (!this.#lanczos.isClosed) return isWhole && this.#closedWith === null
    // A closed basis has each distinct eigenvalue once more than the closed basis before. If that changes nothing, the wanted values are known,
    // those that are there several times included.
    const before = this.#closedWith
    this.#closedWith = found
    return (
      isWhole &&
      before?.length === found.length &&
      found.every(
        (value, i) => Math.abs(value - before[i]!) <= Math.max(tolerance * Math.abs(value), 100 * floor),
      )
    )
  }

  async #result(ritz: RitzValues, places: readonly number[]): Promise<Eigenvalues> {
    const { tolerance, vectors } = this.#settings
    const residuals = this.#lanczos.residuals(ritz, places)
    const eigenvalues = places.map((place, i) => {
      const [value, residual] = [ritz.values[place]!, residuals[i]!]
      return { value, residual, converged: residual <= tolerance * Math.abs(value) }
    })
    await this.#file?.save(this.#lanczos, { ...this.#progress(), looked: false })
    return {
      eigenvalues,
      vectors: vectors ? this.#lanczos.vectors(ritz, places) : null,
      products: this.#products,
      floor: this.#floor(ritz.values),
      size: this.#operator.size,
    }
  }

  #floor(values: readonly number[]): number {
    return (epsilon(this.#operator.dtype) / 2) * Math.max(Math.abs(values[0]!), Math.abs(values.at(-1)!))
  }
}

/** The eigenvalues of the projected matrix take time that grows as the cube of its size, so not after each product. */
function isTimeToLook(rows: number, wanted: number): boolean {
  return rows > wanted && rows % Math.max(1, Math.floor(rows / 25)) === 0
}

/** How many combinations are kept of a full basis: the wanted ones and half of the others, so that they go on converging. */
function keptOf(basisSize: number, wanted: number, end: SpectrumEnd): number {
  const all = end === 'both' ? 2 * wanted : wanted
  const kept = all + Math.floor((basisSize - all) / 2)
  return end === 'both' ? Math.floor(kept / 2) : kept
}
