import {
  checkNumbers,
  count,
  expectObject,
  expectText,
  refuseArgument,
  whole,
  wholeSeed,
  within,
} from '../../base/index.js'
import type { Progress } from '../../data/index.js'
import type { DType } from '../../torch/index.js'
import { elementSize } from '../../torch/internal.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import type { SpectrumEnd } from './spectrum-end.js'

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
   * computation goes on from the best combinations of it, and needs some products more for the same accuracy. Default: as many as 1 GB has room
   * for, at least twice the wanted values and 20 more (or 40), and at most four times the wanted values and 60 more.
   */
  basisSize?: number
  /** The dtype in which the vectors are kept: `float32` or `bfloat16` take less memory. Default: the operator's. */
  basisDtype?: DType
  /** Whether the eigenvectors are returned too. Default: false. */
  vectors?: boolean
  /**
   * The folder in which the vectors are kept, in a file that is mapped into memory and vanishes with the process. Then they need not fit into
   * memory. Default: none; they are kept in memory.
   */
  basisFolder?: string
  /** The seed of the first vector. Default: 0. */
  seed?: number
  /**
   * A file from which the computation continues if it is there. The state is written to it now and then, at the end, and when the computation
   * is ended by the signal or an error, so that no product is lost. `tolerance`, `maxProducts`, `vectors` and `basisFolder` may be others than
   * before. On the same machine, with the same number of threads, the result has the same bits as without an interruption.
   */
  resume?: string
  /** Is called after each product. `total` is `maxProducts`; `resumed` counts the products that the file had. */
  onProgress?: (progress: Progress) => void
  /** Ends the computation after the product at work, with the signal's reason. */
  signal?: AbortSignal
}

/** {@link EigenvalueOptions} with their defaults. */
export type EigenvalueSettings = ReturnType<typeof settingsOf>

/** Checks the options and fills them in. Throws `ERR_INVALID_ARGUMENT`. */
export function settingsOf(operator: SymmetricOperator, options: EigenvalueOptions) {
  expectObject('operator', operator)
  count('operator.size', operator.size)
  checkNumbers(options, numbers)
  const { count: wanted = 1, end = 'largest' } = options
  if (!ends.includes(end)) refuseArgument(`one of ${ends.join(', ')}`, 'end', end)
  const all = countOf(operator.size, wanted, end)
  const {
    basisDtype = operator.dtype,
    basisFolder = null,
    vectors = false,
    seed = 0,
    resume = null,
  } = options
  if (!basisDtypes.includes(basisDtype))
    refuseArgument(`one of ${basisDtypes.join(', ')}`, 'basisDtype', basisDtype)
  const { basisSize = defaultBasisSize(operator.size, all, basisDtype) } = options
  if (basisFolder !== null) expectText('basisFolder', basisFolder)
  if (resume !== null) expectText('resume', resume)
  if (basisSize < operator.size && basisSize < all + 2)
    refuseArgument(
      `at least ${all + 2}, two more than the eigenvalues that are wanted,`,
      'basisSize',
      basisSize,
    )
  return {
    ...{ count: wanted, end, basisDtype, basisFolder, vectors, seed, resume },
    tolerance: options.tolerance ?? 1e-3,
    maxProducts: options.maxProducts ?? 10 * all + 100,
    basisSize: Math.min(basisSize, operator.size),
    onProgress: options.onProgress,
    signal: options.signal,
  }
}

/** A larger basis spares products, until it has no need to be thinned. */
function defaultBasisSize(size: number, all: number, dtype: DType): number {
  const affordable = Math.floor(2 ** 30 / (2 * size * elementSize(dtype)))
  return Math.max(40, 2 * all + 20, Math.min(affordable, 4 * all + 60))
}

/** How many values are wanted in all. */
export function countOf(size: number, wanted: number, end: SpectrumEnd): number {
  return Math.min(size, end === 'both' ? 2 * wanted : wanted)
}

const numbers = {
  count,
  tolerance: within(0, 1),
  maxProducts: count,
  basisSize: whole(3),
  seed: wholeSeed,
}

const ends: readonly SpectrumEnd[] = ['largest', 'smallest', 'both', 'magnitude']
const basisDtypes: readonly DType[] = ['float64', 'float32', 'bfloat16', 'float16']
