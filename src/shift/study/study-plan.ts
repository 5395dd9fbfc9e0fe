import {
  batchCount,
  checkNumbers,
  type NumberChecks,
  SosError,
  someCount,
  wholeSeed,
} from '../../base/index.js'
import { type Dataset, type Sampling, sampleIndices } from '../../data/index.js'
import { checkRankPolicy, defaultDelta, type RankPolicy } from '../solve/rank.js'
import type { BiasMode, Solver } from '../solve/solve.js'

/** What a study tries: every combination of the values in these lists. */
export interface StudyPlanOptions {
  /** The batch sizes b, each from 1 to the size of the training set. */
  batchSizes: readonly number[]
  /** How many batches to draw of each size, with the seeds `seed`, `seed` + 1, …. Default: 5. */
  draws?: number
  /** The seed of the first draw. Default: 0. */
  seed?: number
  /** The rank policies. Default: `logits` with δ = 1e-3. */
  policies?: readonly RankPolicy[]
  /** How batches are drawn. Default: `stratified`. */
  samplings?: readonly Sampling[]
  /** The bias modes. Default: `fixed`. */
  biases?: readonly BiasMode[]
  /** The solver of all shifts. Default: `svd`. */
  solver?: Solver
}

/** One draw of one batch size. */
export interface StudyBatch {
  readonly batchSize: number
  readonly seed: number
  readonly sampling: Sampling
  /** The samples. They are the first b of those of a larger batch with the same seed and sampling. */
  readonly indices: readonly number[]
}

/** The options with their defaults, and the batches, which are drawn as `shiftOptimum` draws them. */
export interface StudyPlan extends Required<Omit<StudyPlanOptions, 'draws' | 'seed'>> {
  readonly seeds: readonly number[]
  readonly batches: readonly StudyBatch[]
}

const planNumbers: NumberChecks<StudyPlanOptions> = { draws: someCount, seed: wholeSeed }

/** Throws `ERR_BATCH_SIZE`, `ERR_RANK_POLICY`, and `ERR_INVALID_ARGUMENT` for an empty list. */
export function planStudy(train: Dataset, options: StudyPlanOptions): StudyPlan {
  const {
    draws = 5,
    seed: first = 0,
    policies = [{ policy: 'logits', delta: defaultDelta }],
    samplings = ['stratified'],
    biases = ['fixed'],
    solver = 'svd',
  } = options
  checkNumbers(options, planNumbers)
  for (const batchSize of options.batchSizes) batchCount('batchSizes', batchSize)
  const batchSizes = [...new Set(options.batchSizes)].sort((a, b) => a - b)
  const lists = { batchSizes, policies, samplings, biases }
  for (const [name, { length }] of Object.entries(lists)) {
    if (!(length >= 1))
      throw new SosError('ERR_INVALID_ARGUMENT', `expected at least one of ${name} but received none`)
  }
  for (const policy of policies) checkRankPolicy(policy)
  const seeds = Array.from({ length: draws }, (_, i) => first + i)
  const batches = batchSizes.flatMap((batchSize) =>
    samplings.flatMap((sampling) =>
      seeds.map((seed) => ({
        batchSize,
        seed,
        sampling,
        indices: sampleIndices(train, { size: batchSize, sampling, seed }),
      })),
    ),
  )
  return { batchSizes, policies, samplings, biases, solver, seeds, batches }
}
