import type { Dataset, Sampling } from '../data/index.js'
import type { DType } from '../torch/index.js'
import type { DriftCertificate } from './certificates.js'
import { groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'
import type { Replacement } from './layer/layer-weights.js'
import type { MeasuredPredictions } from './output-watch.js'
import { frobeniusNorm, type LinearMap } from './solve/linear-map.js'
import { type CutValues, defaultDelta, rankPolicyName, valuesAtCut } from './solve/rank.js'
import type { BiasMode, Solution, SolveOptions, Solver } from './solve/solve.js'

/** What a shift did. `sos.json` and `--json` carry it too. */
export interface ShiftRecord {
  /** The path of the layer. */
  readonly layer: string
  /** The solver of AV* = AV. */
  readonly solver: Solver
  /** The rank policy and its number, for example `logits:0.001`. */
  readonly policy: string
  /** What became of the bias. */
  readonly bias: BiasMode
  /** The number of images in the batch. */
  readonly batchSize: number
  /**
   * How many rows of A the batch gave, and what a row is: an image, a window of a convolution, or one of several
   * positions in an image.
   */
  readonly rows: { readonly count: number; readonly of: 'images' | 'windows' | 'positions' }
  /** How the batch was drawn: `given` if it was given, `all` if it is the whole dataset. */
  readonly sampling: Sampling | 'given' | 'all'
  /** The seed of the draw. */
  readonly seed: number
  /** The samples of the batch, by their indices in the dataset; empty if the batch is the whole dataset. */
  readonly indices: readonly number[]
  /** How many classes the batch has images of. */
  readonly classesCovered: number
  /** How many classes the dataset has. */
  readonly classes: number
  /** The classes that the batch has no image of. */
  readonly unseenClasses: readonly string[]
  /** r, the dimension of the row space of A that was kept, of all groups together. m − r directions of V were free. */
  readonly rank: number
  /** m, the layer's inputs, of all groups together. */
  readonly inFeatures: number
  /** σ₁, σ_r and σ_{r+1} of A. Null if the solver does not compute them, or if there are several groups. */
  readonly singularValues: CutValues | null
  /** ‖V‖, the Frobenius norm of the weight before, as stored. */
  readonly normBefore: number
  /** ‖V*‖, the Frobenius norm of the weight after, as stored. */
  readonly normAfter: number
  /**
   * The largest change of an output of the layer on the batch, in the layer's dtype. It is the change of a logit if the
   * layer's outputs are the logits.
   */
  readonly batchLogitChange: number
  /** The dtype in which the layer stores V*, which was solved for in float64. */
  readonly dtype: DType
  /**
   * The part of `batchLogitChange` that comes from rounding V* to that dtype alone: max |A(V*ᵣ − V*)|, in float64. Null
   * if the batch is the whole dataset, whose rows are not kept.
   */
  readonly roundingChange: number | null
  /** Whether the batch left nothing to shift: V* is V. */
  readonly identity: boolean
  /**
   * The operators between the layer's outputs and the model's, as `outputLayer` finds them; empty if the layer's
   * outputs are the model's. Null if something else takes part in the output.
   */
  readonly toOutput: readonly string[] | null
  /** What the shift does to the samples that were held out; null if there were none. */
  readonly certificate: DriftCertificate | null
  /**
   * The whole model's predictions for these samples, if the certificate cannot say which of them changed; else null.
   */
  readonly measured: MeasuredPredictions | null
  /** What may make these figures misleading, in sentences. */
  readonly warnings: readonly string[]
  /** How long the shift took, with the capture of its rows. */
  readonly milliseconds: number
}

/** What the record of a shift is made from. */
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

/** Makes the record of a shift. */
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

/** The classes without a sample among `indices`; null means all samples. */
function classesWithout(dataset: Dataset, indices: readonly number[] | null): string[] {
  const seen = new Set(indices === null ? dataset.labels : indices.map((index) => dataset.labels[index]))
  return dataset.classes.filter((_, label) => !seen.has(label))
}
