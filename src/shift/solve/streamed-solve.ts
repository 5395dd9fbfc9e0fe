import { expectObject, SosError } from '../../base/index.js'
import { scope, type Tensor } from '../../torch/index.js'
import { GramAccumulator, spectrumOfGram } from './gram.js'
import type { LinearMap } from './linear-map.js'
import { checkRankPolicy, chooseRank, countAbove, damping, defaultDelta, gapWarning } from './rank.js'
import { projectOnRowSpace } from './row-space.js'
import type { Solution, SolveOptions } from './solve.js'
import { driftBounds, type Spectrum } from './spectrum.js'
import { spectrumOfTsqr, TsqrAccumulator } from './tsqr.js'

/**
 * Solves for V* when the rows come in chunks and are too many to keep. It adds up their Gram matrix (`gram`, the
 * default). For tolerances below that matrix's floor of √(m · eps) it keeps the factor R of a QR decomposition that
 * each chunk updates (`svd`). The memory does not depend on the number of rows.
 *
 * The rank policy `logits` cuts by a bound on all rows together, max_j √(Σ_{i>r} σᵢ² (qᵢᵀv_j)²) ≤ δ. That is stricter
 * than what it does for a batch.
 *
 * @example
 * using solve = new StreamedSolve(4)
 * for (const rows of torch.rand([30, 4]).split(10)) await solve.add(rows)
 * const { rank } = await solve.solve({ weight: torch.rand([4, 2], { dtype: 'float64' }), bias: null })
 * console.log(rank) // → 4
 */
export class StreamedSolve {
  /** How it solves: the options that it was made with, and the defaults of those that were left out. */
  readonly options: SolveOptions & Required<Pick<SolveOptions, 'solver' | 'bias' | 'rank'>>
  readonly #accumulator: GramAccumulator | TsqrAccumulator
  readonly #inFeatures: number

  /**
   * @param inFeatures m, the number of columns of the rows to come
   * @param options the solver, the rank policy and the bias mode
   * @throws `ERR_SOLVER` for a solver other than `gram` and `svd`; `ERR_BIAS` for the bias mode `augment`;
   *   `ERR_RANK_POLICY`
   */
  constructor(inFeatures: number, options: SolveOptions = {}) {
    expectObject('options', options)
    const { solver = 'gram', bias = 'fixed', rank = { policy: 'logits', delta: defaultDelta } } = options
    if (solver !== 'gram' && solver !== 'svd') {
      throw new SosError(
        'ERR_SOLVER',
        `expected the solver gram, or svd for small tolerances, if all samples are the batch, but received '${solver}'`,
      )
    }
    if (bias === 'augment') {
      throw new SosError(
        'ERR_BIAS',
        "expected the bias mode 'fixed' or 'absorb' if all samples are the batch, but received 'augment'",
      )
    }
    checkRankPolicy(rank)
    this.options = { ...options, solver, bias, rank }
    this.#inFeatures = inFeatures
    this.#accumulator = solver === 'gram' ? new GramAccumulator(inFeatures) : new TsqrAccumulator(inFeatures)
  }

  /**
   * Adds rows, off the event loop.
   *
   * @param rows [k, m], any floating-point dtype
   * @throws `ERR_SHAPE`, `ERR_DTYPE`
   */
  add(rows: Tensor): Promise<void> {
    return this.#accumulator.add(rows)
  }

  /**
   * Solves for V* on all rows added so far.
   *
   * @param map V [m, n] and c [n], float64
   * @returns V* and c*
   * @throws `ERR_NOT_FINITE` if a row held NaN or infinity; `ERR_BIAS` if there is no bias to absorb; `ERR_TOLERANCE`
   *   for a tolerance that the solver cannot resolve
   */
  async solve({ weight: v, bias }: LinearMap): Promise<Solution> {
    const centred = this.options.bias === 'absorb'
    if (centred && bias === null) {
      throw new SosError('ERR_BIAS', "expected a layer with a bias for the mode 'absorb' but it has none")
    }
    return scope(async () => {
      const spectrum =
        this.#accumulator instanceof GramAccumulator
          ? await spectrumOfGram(this.#accumulator, { centred })
          : await spectrumOfTsqr(this.#accumulator, { centred })
      const rank = await this.#rank(spectrum, v)
      const policy = this.options.rank
      const { directions, singularValues } = spectrum
      const filter = policy.policy === 'ridge' ? damping(singularValues, rank, policy.lambda) : null
      const weight = await projectOnRowSpace(
        { basis: directions.narrow(1, 0, rank), rank, singularValues, filter },
        v,
      )
      const warning = filter === null ? gapWarning(singularValues, rank) : null
      return {
        weight,
        bias: centred ? bias!.add((await this.#mean()).matmul(v.sub(weight))) : bias,
        rank,
        singularValues,
        companions: [],
        warnings: warning === null ? [] : [warning],
      }
    })
  }

  /** Frees the sums. */
  dispose(): void {
    this.#accumulator.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** ā. The first row of R belongs to [1 A]: it is √N [1 āᵀ], up to its sign. */
  async #mean(): Promise<Tensor> {
    if (this.#accumulator instanceof GramAccumulator) return this.#accumulator.mean()
    const first = (await this.#accumulator.factor()).select(0, 0)
    return first.narrow(0, 1, this.#inFeatures).div(first.select(0, 0))
  }

  async #rank(spectrum: Spectrum, v: Tensor): Promise<number> {
    const { singularValues, uncertainty } = spectrum
    const floor = uncertainty / (singularValues[0] || 1)
    const policy = this.options.rank
    if (policy.policy === 'tolerance' && policy.tolerance !== undefined && policy.tolerance < floor) {
      throw new SosError(
        'ERR_TOLERANCE',
        `expected a tolerance of at least ${floor.toExponential(2)}, the smallest that the streamed ${this.options.solver} of ${this.#inFeatures} inputs resolves, but received ${policy.tolerance}; the solver svd resolves more`,
      )
    }
    return chooseRank(policy, singularValues, countAbove(singularValues, floor), {
      tolerance: Math.max(1e-6, floor),
      rankOfDelta: (delta) => {
        const rank = driftBounds(spectrum, v).findIndex((bound) => bound <= delta)
        // If rounding alone may move a logit by more than that, everything that is resolved is kept.
        return rank < 0 ? singularValues.length : rank
      },
    })
  }
}
