import type { Dataset } from '../data/dataset.js'
import { type Sampling, sampleIndices } from '../data/sampling.js'
import { noGrad } from '../torch/context.js'
import { SosError } from '../torch/errors.js'
import { scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import type { Tensor } from '../torch/tensor.js'
import { type CaptureOptions, captureInputs } from './capture.js'
import { certify, type DriftCertificate, drift, type LinearMap } from './certificates.js'
import { linearLayer } from './last-linear.js'
import { LayerWeights } from './layer-weights.js'
import { defaultDelta, rankPolicyName } from './rank.js'
import { type BiasMode, type Solution, type SolveOptions, type Solver, solveShift } from './solve.js'

export interface ShiftOptions extends CaptureOptions, SolveOptions {
  /** Path of the linear layer. Default: the last one that forward calls. */
  layer?: string
  /**
   * b, the samples whose logits stay. Default: 300, the paper's best of 200, 300 and 400 on CIFAR-100 (Table 4), or half
   * the layer's inputs where that is less: as many as its inputs and hardly anything is left to shift.
   */
  batchSize?: number
  /** Default: stratified; the paper draws uniformly, and may miss classes, whose images then suffer. */
  sampling?: Sampling
  /** Of the batch. Default: 0. */
  seed?: number
  /** The batch itself, in the place of a draw. */
  indices?: readonly number[]
  /**
   * The most that a logit of the batch may move, in the layer's own dtype and beside its rounding. Default: 1e-3, or the
   * `delta` of the rank policy `logits`; any where the policy is `ridge`, which does not keep them.
   */
  logitBudget?: number
  /** Samples of the dataset outside of the batch that certify the shift. Default: 0. */
  heldOut?: number
}

/** What a shift did, in words that `sos.json` and `--json` carry too. */
export interface ShiftRecord {
  readonly layer: string
  readonly solver: Solver
  /** The rank policy and its number, as `logits:0.001`. */
  readonly policy: string
  readonly bias: BiasMode
  readonly batchSize: number
  readonly sampling: Sampling | 'given'
  readonly seed: number
  /** The samples of the dataset that made the batch. */
  readonly indices: readonly number[]
  readonly classesCovered: number
  readonly classes: number
  /** Classes of which the batch has no image. */
  readonly unseenClasses: readonly string[]
  /** r, the dimension of the row space of A that was kept; m − r directions of V were free. */
  readonly rank: number
  readonly inFeatures: number
  /** σ₁, σ_r and σ_{r+1}; `next` is null where nothing was cut. Null where the solver tells none. */
  readonly singularValues: {
    readonly first: number
    readonly last: number
    readonly next: number | null
  } | null
  /** ‖V‖ and ‖V*‖, Frobenius, of the weight as stored. */
  readonly normBefore: number
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
  /** Whether the batch left nothing to shift: V* is V. */
  readonly identity: boolean
  /** Of the samples held out; null where there were none. */
  readonly certificate: DriftCertificate | null
  readonly warnings: readonly string[]
  readonly milliseconds: number
}

/**
 * Stochastic optimum shifting (Zhou et al., Algorithm 1's shift): replaces the weight V of a linear layer by the solution
 * V* of AV* = AV of least Frobenius norm, where A holds the layer's inputs for a small batch. The logits of the batch
 * stay, those of other images move a little.
 *
 * The weight is written in place. It is then verified in the layer's own dtype, and rolled back where a logit of the batch
 * moved by more than `logitBudget` or the norm grew.
 *
 * @throws `ERR_BATCH_SIZE`, `ERR_INDICES`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_FROZEN`, `ERR_TIED`,
 * `ERR_RANK_POLICY`, `ERR_BIAS`, `ERR_NOT_FINITE`, `ERR_SHIFT_VERIFICATION` (the model is as it was)
 */
export async function shiftOptimum(
  model: ScriptModule,
  dataset: Dataset,
  options: ShiftOptions = {},
): Promise<ShiftRecord> {
  const start = performance.now()
  const layer = linearLayer(model, options.layer)
  const batch = chooseBatch(dataset, options, layer.inFeatures)
  return noGrad(() =>
    scope(async () => {
      const weights = new LayerWeights(model, layer.path)
      const a = await captureInputs(model, layer, dataset, batch.indices, options)
      const [before] = weights.maps() as [LinearMap]
      const solution = await solveShift(a, before.weight, before.bias, options)
      const replaced = weights.replace([a], [solution], budget(options))
      const [after] = weights.maps() as [LinearMap]
      const unseenClasses = classesWithout(dataset, batch.indices)
      return {
        layer: layer.path,
        solver: options.solver ?? 'svd',
        policy: policyName(options),
        bias: options.bias ?? 'fixed',
        ...batch,
        classesCovered: dataset.classes.length - unseenClasses.length,
        classes: dataset.classes.length,
        unseenClasses,
        rank: solution.rank,
        inFeatures: layer.inFeatures,
        singularValues: cut(solution),
        ...replaced,
        identity: norm(after.weight.sub(before.weight)) <= 1e-6 * norm(before.weight),
        certificate: await certificate(model, dataset, batch.indices, layer, options, before, after),
        warnings: solution.warnings,
        milliseconds: performance.now() - start,
      }
    }),
  )
}

function chooseBatch(dataset: Dataset, options: ShiftOptions, inFeatures: number) {
  const { indices, seed = 0, sampling = 'stratified' } = options
  if (indices !== undefined) {
    const wrong = indices.find((index) => !Number.isInteger(index) || index < 0 || index >= dataset.size)
    if (indices.length === 0 || wrong !== undefined) {
      const came = wrong === undefined ? 'none' : `${wrong}`
      throw new SosError(
        'ERR_INDICES',
        `expected samples of ${dataset.name} from 0 to ${dataset.size - 1} but received ${came}`,
      )
    }
    return { batchSize: indices.length, sampling: 'given' as const, seed, indices }
  }
  const { batchSize = defaultBatchSize(dataset, inFeatures) } = options
  const drawn = sampleIndices(dataset, { size: batchSize, sampling, seed })
  return { batchSize, sampling, seed, indices: drawn }
}

/** 300, or half the layer's inputs, or the whole dataset, whichever is least. */
export function defaultBatchSize(dataset: Dataset, inFeatures: number): number {
  return Math.min(300, Math.max(1, inFeatures >> 1), dataset.size)
}

function policyName({ solver = 'svd', rank }: ShiftOptions): string {
  if (rank !== undefined) return rankPolicyName(rank)
  return solver === 'svd' || solver === 'gram' ? `logits:${defaultDelta}` : 'tolerance'
}

function budget({ rank, logitBudget }: ShiftOptions): number | null {
  if (logitBudget !== undefined) return logitBudget
  if (rank?.policy === 'ridge') return null
  return rank?.policy === 'logits' ? (rank.delta ?? defaultDelta) : defaultDelta
}

function cut({ singularValues, rank }: Solution): ShiftRecord['singularValues'] {
  if (singularValues === null) return null
  return {
    first: singularValues[0]!,
    last: singularValues[rank - 1] ?? 0,
    next: singularValues[rank] ?? null,
  }
}

function classesWithout(dataset: Dataset, indices: readonly number[]): string[] {
  const seen = new Set(indices.map((index) => dataset.labels[index]))
  return dataset.classes.filter((_, label) => !seen.has(label))
}

async function certificate(
  model: ScriptModule,
  dataset: Dataset,
  batch: readonly number[],
  layer: Parameters<typeof captureInputs>[1],
  options: ShiftOptions,
  before: LinearMap,
  after: LinearMap,
): Promise<DriftCertificate | null> {
  const { heldOut = 0, seed = 0 } = options
  if (heldOut === 0) return null
  const used = new Set(batch)
  const size = Math.min(dataset.size, heldOut + used.size)
  const others = sampleIndices(dataset, { size, sampling: 'uniform', seed: seed + 1 })
    .filter((index) => !used.has(index))
    .slice(0, heldOut)
  if (others.length === 0) return null
  const rows = await captureInputs(model, layer, dataset, others, options)
  return certify(drift(rows, before, after))
}

const norm = (tensor: Tensor): number => tensor.square().sum().sqrt().item()
