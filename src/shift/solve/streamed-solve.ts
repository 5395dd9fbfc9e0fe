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
 * V* for rows that come in chunks and are too many to keep: by their Gram matrix (`gram`, the default) or, for tolerances
 * below its floor of √(m · eps), by the factor R of a QR decomposition that each chunk updates (`svd`). Memory does not
 * depend on the number of rows.
 *
 * The rank policy `logits` cuts where a bound on all rows together allows it: max_j √(Σ_{i>r} σᵢ² (qᵢᵀv_j)²) ≤ δ, which is
 * stricter than its meaning for a batch.
 */
export class StreamedSolve {
  /** How it solves: the options that it was made with, and the defaults of those that were left out. */
  readonly options: SolveOptions & Required<Pick<SolveOptions, 'solver' | 'bias' | 'rank'>>
  readonly #accumulator: GramAccumulator | TsqrAccumulator
  readonly #inFeatures: number

  /** @throws `ERR_SOLVER`, `ERR_RANK_POLICY`, `ERR_BIAS` */
  constructor(inFeatures: number, options: SolveOptions = {}) {
    expectObject('options', options)
    const { solver = 'gram', bias = 'fixed', rank = { policy: 'logits', delta: defaultDelta } } = options
    if (solver !== 'gram' && solver !== 'svd') {
      throw new SosError(
        'ERR_SOLVER',
        `expected the solver gram, or svd for small tolerances, where all samples are the batch but received '${solver}'`,
      )
    }
    if (bias === 'augment') {
      throw new SosError(
        'ERR_BIAS',
        "expected the bias mode 'fixed' or 'absorb' where all samples are the batch but received 'augment'",
      )
    }
    checkRankPolicy(rank)
    this.options = { ...options, solver, bias, rank }
    this.#inFeatures = inFeatures
    this.#accumulator = solver === 'gram' ? new GramAccumulator(inFeatures) : new TsqrAccumulator(inFeatures)
  }

  /** @param rows [k, m], any floating dtype */
  add(rows: Tensor): Promise<void> {
    return this.#accumulator.add(rows)
  }

  /** @throws `ERR_NOT_FINITE`, `ERR_BIAS`, `ERR_TOLERANCE` where a tolerance is below what the Gram matrix resolves */
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

  dispose(): void {
    this.#accumulator.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** ā. The factor's first row is that of [1 A]: √N [1 āᵀ], up to its sign. */
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
        `expected a tolerance of at least ${floor.toExponential(2)}, what the streamed ${this.options.solver} of ${this.#inFeatures} inputs resolves, but received ${policy.tolerance}; the solver svd resolves more`,
      )
    }
    return chooseRank(policy, singularValues, countAbove(singularValues, floor), {
      tolerance: Math.max(1e-6, floor),
      rankOfDelta: (delta) => {
        const rank = driftBounds(spectrum, v).findIndex((bound) => bound <= delta)
        // Where rounding alone may move more than that, everything that it resolves is kept.
        return rank < 0 ? singularValues.length : rank
      },
    })
  }
}
