import {
  checkNumbers,
  count,
  expectObject,
  refuseArgument,
  whole,
  wholeSeed,
  within,
} from '../../base/index.js'
import type { Progress } from '../../data/index.js'
import type { DType, Tensor } from '../../torch/index.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import { Lanczos } from './lanczos.js'
import { type SpectrumEnd, wantedPlaces } from './spectrum-end.js'

/** How eigenvalues are computed. */
export interface EigenvalueOptions {
  /** How many eigenvalues; for both ends, how many of each. Default: 1. */
  count?: number
  /** Which end of the spectrum. Default: `largest`. */
  end?: SpectrumEnd
  /** A value λ has converged if its residual is at most `tolerance`·|λ|. Default: 1e-3. */
  tolerance?: number
  /** The computation ends after so many products. Default: 10·count + 100. */
  maxProducts?: number
  /**
   * How many vectors are kept, each with its product: they take 2·basisSize·size numbers of memory. When the basis is full, the
   * computation goes on from the best combinations of it. Default: twice the wanted values and 20 more, at least 40.
   */
  basisSize?: number
  /** The dtype in which the vectors are kept: `float32` or `bfloat16` take less memory. Default: the operator's. */
  basisDtype?: DType
  /** Whether the eigenvectors are returned too. Default: false. */
  vectors?: boolean
  /** The seed of the first vector. Default: 0. */
  seed?: number
  /** Is called after each product. `total` is `maxProducts`. */
  onProgress?: (progress: Progress) => void
  /** Ends the computation after the product at work, with the signal's reason. */
  signal?: AbortSignal
}

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

/**
 * Computes eigenvalues at an end of the spectrum of a symmetric operator, by Lanczos's method with full reorthogonalisation and thick
 * restarts (Wu and Simon 2000). The start vector is random, so each distinct eigenvalue has a part in it; one that is there several
 * times may be found once.
 *
 * Each value comes with the residual of its vector. That of the recurrence falls to zero although rounding does not, so the residual is
 * taken from the products themselves.
 *
 * @param operator for example `hessian(model, dataset, indices)`
 * @param options how many eigenvalues, of which end, and when to stop
 * @returns the eigenvalues with their residuals, and how many products they took
 * @throws `ERR_INVALID_ARGUMENT` for invalid options; `ERR_NOT_FINITE` if a product is NaN or infinite; what the operator throws
 * @example
 * const diagonal = torch.tensor([1, 2, 3, 10], { dtype: 'float64' })
 * const operator = { size: 4, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.mul(diagonal)) } as const
 * const { eigenvalues } = await topEigenvalues(operator, { count: 2 })
 * console.log(eigenvalues.map(({ value }) => value.toFixed(6)).join(' ')) // → 10.000000 3.000000
 */
export async function topEigenvalues(
  operator: SymmetricOperator,
  options: EigenvalueOptions = {},
): Promise<Eigenvalues> {
  const settings = checked(operator, options)
  const { size } = operator
  const {
    count: wanted,
    end,
    tolerance,
    maxProducts,
    basisSize,
    basisDtype,
    seed,
    onProgress,
    signal,
  } = settings
  const rounding = roundingUnit[operator.dtype] ?? 0
  using lanczos = new Lanczos(operator, basisSize, basisDtype, seed)
  for (let products = 1; ; products++) {
    signal?.throwIfAborted()
    await lanczos.step()
    onProgress?.({ done: products, total: maxProducts })
    const isFull = lanczos.rows === basisSize
    const isLast = products === maxProducts || lanczos.rows === size
    if (!isFull && !isLast && !isTimeToLook(lanczos.rows, wanted)) continue

    const ritz = await lanczos.ritz()
    using weights = ritz.weights
    const { values, bounds } = ritz
    const places = wantedPlaces(values, wanted, end)
    const floor = rounding * Math.max(Math.abs(values[0]!), Math.abs(values.at(-1)!))
    const isNear = (place: number) => bounds[place]! <= Math.max(tolerance * Math.abs(values[place]!), floor)
    const isComplete = places.length === countOf(size, wanted, end) && places.every(isNear)
    if (isLast || isComplete) {
      const residuals = lanczos.residuals(ritz, places)
      const eigenvalues = places.map((place, i) => {
        const [value, residual] = [values[place]!, residuals[i]!]
        return { value, residual, converged: residual <= tolerance * Math.abs(value) }
      })
      const vectors = settings.vectors ? lanczos.vectors(ritz, places) : null
      return { eigenvalues, vectors, products, floor, size }
    }
    if (isFull)
      lanczos.restart({ ...ritz, weights }, wantedPlaces(values, keptOf(basisSize, wanted, end), end))
  }
}

/** The rounding unit of each dtype that an operator may have. */
const roundingUnit: Partial<Record<DType, number>> = { float64: 2 ** -53, float32: 2 ** -24 }

/** How many values are wanted in all. */
function countOf(size: number, wanted: number, end: SpectrumEnd): number {
  return Math.min(size, end === 'both' ? 2 * wanted : wanted)
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

const numbers = {
  count,
  tolerance: within(0, 1),
  maxProducts: count,
  basisSize: whole(3),
  seed: wholeSeed,
}

function checked(operator: SymmetricOperator, options: EigenvalueOptions) {
  expectObject('operator', operator)
  count('operator.size', operator.size)
  checkNumbers(options, numbers)
  const { count: wanted = 1, end = 'largest' } = options
  if (!ends.includes(end)) refuseArgument(`one of ${ends.join(', ')}`, 'end', end)
  const all = countOf(operator.size, wanted, end)
  const {
    basisSize = Math.max(40, 2 * all + 20),
    basisDtype = operator.dtype,
    vectors = false,
    seed = 0,
  } = options
  if (basisSize < operator.size && basisSize < all + 2)
    refuseArgument(
      `at least ${all + 2}, two more than the eigenvalues that are wanted,`,
      'basisSize',
      basisSize,
    )
  return {
    ...{ count: wanted, end, basisDtype, vectors, seed },
    tolerance: options.tolerance ?? 1e-3,
    maxProducts: options.maxProducts ?? 10 * all + 100,
    basisSize: Math.min(basisSize, operator.size),
    onProgress: options.onProgress,
    signal: options.signal,
  }
}

const ends: readonly SpectrumEnd[] = ['largest', 'smallest', 'both', 'magnitude']
