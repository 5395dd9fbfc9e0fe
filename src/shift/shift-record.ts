import type { Dataset, Sampling } from '../data/index.js'
import type { DType } from '../torch/index.js'
import type { DriftCertificate } from './certificates.js'
import { groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'
import type { Replacement } from './layer/layer-weights.js'
import type { MeasuredPredictions } from './output-watch.js'
import { frobeniusNorm, type LinearMap } from './solve/linear-map.js'
import { type CutValues, defaultDelta, rankPolicyName, valuesAtCut } from './solve/rank.js'
import type { BiasMode, Solution, SolveOptions, Solver } from './solve/solve.js'

/** What a shift did, in words that `sos.json` and `--json` carry too. */
export interface ShiftRecord {
  readonly layer: string
  readonly solver: Solver
  /** The rank policy and its number, as `logits:0.001`. */
  readonly policy: string
  readonly bias: BiasMode
  /** Images in the batch. */
  readonly batchSize: number
  /** The rows of A that they gave, and what a row is: an image, a convolution's window, or one position of several in an image. */
  readonly rows: { readonly count: number; readonly of: 'images' | 'windows' | 'positions' }
  /** `given` where the batch was given, `all` where it is the dataset. */
  readonly sampling: Sampling | 'given' | 'all'
  readonly seed: number
  /** The samples of the dataset that made the batch; empty where they all did. */
  readonly indices: readonly number[]
  readonly classesCovered: number
  readonly classes: number
  /** Classes of which the batch has no image. */
  readonly unseenClasses: readonly string[]
  /** r, the dimension of the row space of A that was kept; m − r directions of V were free. Of all groups together. */
  readonly rank: number
  /** m, of all groups together. */
  readonly inFeatures: number
  /** σ₁, σ_r and σ_{r+1}; `next` is null where nothing was cut. Null where the solver tells
   * none, or there are several groups.
   */
  readonly singularValues: CutValues | null
  /** ‖V‖ and ‖V*‖, Frobenius, of the weight as stored. */
  readonly normBefore: number
  readonly normAfter: number
  /** The largest change of an output of the layer on the batch, in its dtype: of a logit, where these are its outputs. */
  readonly batchLogitChange: number
  /** The dtype in which the layer stores V*; it was solved for in float64. */
  readonly dtype: DType
  /**
   * The part of it that is rounding V* to that dtype alone: max |A(V*ᵣ − V*)|, in float64. Null where the batch is the whole dataset, which is
   * not kept.
   */
  readonly roundingChange: number | null
  /** Whether the batch left nothing to shift: V* is V. */
  readonly identity: boolean
  /**
   * The operators between the layer's outputs and the model's, as `outputLayer` tells them: none where they are the model's; null
   * where something else takes part in it.
   */
  readonly toOutput: readonly string[] | null
  /** Of the rows of the samples held out; null where there were none. */
  readonly certificate: DriftCertificate | null
  /** The whole model's predictions on these samples, where the certificate cannot speak of classes; else null. */
  readonly measured: MeasuredPredictions | null
  readonly warnings: readonly string[]
  readonly milliseconds: number
}

/** What a shift's record is made of. */
export interface ShiftResult {
  layer: ShiftableLayer
  options: SolveOptions
  dataset: Dataset
  batch: Pick<ShiftRecord, 'sampling' | 'seed' | 'indices'> & { batchSize: number; rows: number }
  before: readonly LinearMap[]
  after: readonly LinearMap[]
  solutions: readonly Solution[]
  replaced: Replacement
  dtype: DType
  roundingChange: number | null
  toOutput: readonly string[] | null
  certificate: DriftCertificate | null
  measured: MeasuredPredictions | null
  warnings: readonly string[]
  milliseconds: number
}

export function describeShift(result: ShiftResult): ShiftRecord {
  const { layer, options, dataset, batch, before, after, solutions, replaced } = result
  const { classes } = dataset
  const unseenClasses = classesWithout(dataset, batch.sampling === 'all' ? null : batch.indices)
  const moved = Math.hypot(...before.map(({ weight }, i) => frobeniusNorm(after[i]!.weight.sub(weight))))
  const { solver = 'svd', bias = 'fixed' } = options
  return {
    layer: layer.path,
    solver,
    policy: policyName(solver, options),
    bias,
    batchSize: batch.batchSize,
    rows: { count: batch.rows, of: rowsAre(layer, batch) },
    sampling: batch.sampling,
    seed: batch.seed,
    indices: batch.indices,
    classesCovered: classes.length - unseenClasses.length,
    classes: classes.length,
    unseenClasses,
    rank: solutions.reduce((sum, { rank }) => sum + rank, 0),
    inFeatures: layer.inFeatures * groupsOf(layer),
    singularValues: singularValuesOf(solutions),
    ...replaced,
    dtype: result.dtype,
    roundingChange: result.roundingChange,
    identity: moved <= 1e-6 * Math.hypot(...before.map(({ weight }) => frobeniusNorm(weight))),
    toOutput: result.toOutput,
    certificate: result.certificate,
    measured: result.measured,
    warnings: [...new Set([...solutions.flatMap(({ warnings }) => warnings), ...result.warnings])],
    milliseconds: result.milliseconds,
  }
}

function policyName(solver: Solver, { rank }: SolveOptions): string {
  if (rank !== undefined) return rankPolicyName(rank)
  return solver === 'svd' || solver === 'gram' ? `logits:${defaultDelta}` : 'tolerance'
}

function singularValuesOf([first, ...others]: readonly Solution[]): ShiftRecord['singularValues'] {
  if (others.length > 0 || !first?.singularValues) return null
  return valuesAtCut(first.singularValues, first.rank)
}

function rowsAre(
  layer: ShiftableLayer,
  { batchSize, rows }: ShiftResult['batch'],
): ShiftRecord['rows']['of'] {
  if (isConvolution(layer)) return 'windows'
  return rows === batchSize ? 'images' : 'positions'
}

/** `indices` is null for all samples. */
function classesWithout(dataset: Dataset, indices: readonly number[] | null): string[] {
  const seen = new Set(indices === null ? dataset.labels : indices.map((index) => dataset.labels[index]))
  return dataset.classes.filter((_, label) => !seen.has(label))
}
