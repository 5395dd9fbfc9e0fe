import {
  checkNumbers,
  expectList,
  expectObject,
  type NumberChecks,
  nonNegative,
  SosError,
  whole,
  wholeSeed,
} from '../base/index.js'
import { type Dataset, sampleIndices } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import { expectClassesOf, randomness } from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { type CaptureOptions, captureNumbers } from './capture.js'
import { effectOn } from './effect.js'
import { expectOwnBias, groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'
import { expectSomeRank, LayerWeights, roundingWarning } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import { type ShiftBatch, windowsOf } from './shift-batch.js'
import { describeShift, type ShiftRecord } from './shift-record.js'
import { checkRankPolicy, defaultDelta } from './solve/rank.js'
import { type Solution, type SolveOptions, solveShift } from './solve/solve.js'

/** How a captured batch is shifted on, and the shift verified and certified. */
export interface ApplyOptions extends CaptureOptions, SolveOptions {
  /** Of the samples held out. Default: 0. */
  seed?: number
  /**
   * The most that a logit of the batch may move, in the layer's own dtype and beside its rounding. Default: 1e-3, or the
   * `delta` of the rank policy `logits`; any where the policy is `ridge`, which does not keep them.
   */
  logitBudget?: number
  /**
   * Samples of the dataset outside of the batch that certify the shift. Where the layer's outputs are not the model's logits,
   * the model's predictions on them are measured before and after. Default: 0.
   */
  heldOut?: number
}

/** Of the numbers in {@link ApplyOptions}. */
export const applyNumbers: NumberChecks<ApplyOptions> = {
  ...captureNumbers,
  seed: wholeSeed,
  heldOut: whole(0),
  logitBudget: nonNegative,
}

/** A batch, and what the layer takes in for it. */
export interface CapturedBatch extends ShiftBatch {
  /** A of each group, [rows, m], as `captureRows` gives them for these samples. */
  readonly rows: readonly Tensor[]
  /** What was seen of the model's outputs while the rows were captured. @internal */
  readonly watch?: OutputWatch
}

/**
 * The last step of a shift: replaces the weight V of `layer` by the V* of AV* = AV of least Frobenius norm, A being the rows of a captured batch.
 * `shiftOptimum` draws, captures and applies; this is for those who capture in their own way, as several processes do
 * together. What is to be written is verified before; the weight is then written in place, between two forwards.
 *
 * @param dataset the one that the batch is of
 * @param options.companions more tensors of the weight's shape [n, m], as an optimizer's momentum of it: projected, in place, on
 *   the directions that the weight keeps. Not with convolutions
 * @throws as `shiftOptimum`; the model is as it was
 * @example
 * const layer = shiftableLayer(model)
 * const batch = drawBatch(train, layer, { batchSize: 300 })
 * const record = await applyShift(model, layer, train, { ...batch, ...(await captureRows(model, layer, train, batch.indices)) })
 */
export async function applyShift(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  batch: CapturedBatch,
  options: ApplyOptions = {},
): Promise<ShiftRecord> {
  const start = performance.now()
  expectModule('model', model)
  expectObject('layer', layer)
  expectDataset('dataset', dataset)
  expectObject('batch', batch)
  expectList('batch.rows', batch.rows)
  checkIndices(dataset, batch.indices)
  wholeSeed('batch.seed', batch.seed)
  checkNumbers(options, applyNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  if (batch.rows.length !== groupsOf(layer)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected the rows of ${groupsOf(layer)} groups of '${layer.path}' but received ${batch.rows.length}`,
    )
  }
  expectClassesOf(model, dataset)
  expectOwnBias(model, layer, [options.bias])
  using held = model.viewToShift()
  return await torch.noGrad(() =>
    scope(async () => {
      const { rows, indices } = batch
      const weights = new LayerWeights(held, layer.path, groupsOf(layer))
      weights.expectNumbers()
      const before = weights.maps()
      const { watch = new OutputWatch(held, layer, before[0]!, options.output) } = batch
      const { companions } = options
      const solve = { ...options, ...(companions && { companions: transposed(companions, layer) }) }
      const solutions: Solution[] = []
      for (const [group, { weight, bias }] of before.entries()) {
        solutions.push(await solveShift(rows[group]!, weight, bias, solve))
      }
      expectSomeRank(layer.path, solutions, options)
      const shifted = weights.stored(solutions)
      const replaced = weights.verify(rows, shifted, logitBudget(options))
      const rounding = weights.roundingChange(rows, solutions, shifted)
      const warning = roundingWarning(rounding, weights.dtype, logitBudget(options))
      const after = weights.maps(shifted)
      const others = heldOutSamples(dataset, indices, options)
      const capture = { ...options, ...windowsOf(layer, indices.length, options) }
      const effect = await effectOn(held, layer, dataset, others, { before, after, shifted }, capture)
      await weights.write(shifted)
      companions?.forEach((tensor, i) => void tensor.copy_(solutions[0]!.companions[i]!.t()))
      return describeShift({
        layer,
        options,
        dataset,
        batch: { ...batch, batchSize: indices.length, rows: rows[0]!.shape[0]! },
        before,
        after,
        solutions,
        replaced,
        dtype: weights.dtype,
        roundingChange: rounding,
        warnings: [warning, randomness(model)].filter((one) => one !== null),
        toOutput: effect.toOutput === undefined || watch.steps === null ? watch.steps : effect.toOutput,
        certificate: effect.certificate,
        measured: effect.measured,
        milliseconds: performance.now() - start,
      })
    }),
  )
}

/** What verification allows; null where the rank policy keeps no logits. */
export function logitBudget({ rank, logitBudget: given }: ApplyOptions): number | null {
  if (given !== undefined) return given
  if (rank?.policy === 'ridge') return null
  return rank?.policy === 'logits' ? (rank.delta ?? defaultDelta) : defaultDelta
}

/** As V is, [m, n]: what TorchScript keeps is [n, m]. */
function transposed(companions: readonly Tensor[], layer: ShiftableLayer): Tensor[] {
  if (!isConvolution(layer)) return companions.map((tensor) => tensor.t())
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a linear layer to project companions of but '${layer.path}' is a convolution`,
  )
}

function heldOutSamples(
  dataset: Dataset,
  batch: readonly number[],
  { heldOut = 0, seed = 0 }: ApplyOptions,
): number[] {
  if (heldOut === 0) return []
  const used = new Set(batch)
  const size = Math.min(dataset.size, heldOut + used.size)
  return sampleIndices(dataset, { size, sampling: 'uniform', seed: seed + 1 })
    .filter((index) => !used.has(index))
    .slice(0, heldOut)
}
