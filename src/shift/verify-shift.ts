import { type NumberChecks, nonNegative, whole, wholeSeed } from '../base/index.js'
import { type Dataset, sampleIndices } from '../data/index.js'
import { evenIndices } from '../data/internal.js'
import type { ScriptModule } from '../torch/index.js'
import { type CaptureOptions, captureNumbers } from './capture.js'
import { effectOn, type ShiftEffect } from './effect.js'
import type { ShiftableLayer } from './layer/layer.js'
import { type LayerWeights, notVerified, roundingWarning, type StoredWeights } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import { type CapturedBatch, type SummedBatch, windowsOf } from './shift-batch.js'
import type { ShiftResult } from './shift-record.js'
import type { LinearMap } from './solve/linear-map.js'
import { defaultDelta } from './solve/rank.js'
import type { Solution, SolveOptions } from './solve/solve.js'

/** How a shift is verified and certified. */
export interface VerifyOptions extends CaptureOptions, Pick<SolveOptions, 'rank'> {
  /** The seed of the draw of the samples that are held out. Default: 0. */
  seed?: number
  /**
   * The most that a logit of the batch may move, in the layer's dtype and beyond the rounding of that dtype. Default: the `delta` of the
   * rank policy `logits`, or 1e-3. With the rank policy `ridge`, which does not keep the logits, the default is no limit.
   */
  logitBudget?: number
  /**
   * How many samples outside of the batch certify the shift. If the layer's outputs are not the model's logits, the model's predictions
   * for these samples are also measured before and after. Default: 0.
   */
  heldOut?: number
}

/** The checks of the numbers in {@link VerifyOptions}. */
export const verifyNumbers: NumberChecks<VerifyOptions> = {
  ...captureNumbers,
  seed: wholeSeed,
  heldOut: whole(0),
  logitBudget: nonNegative,
}

/** A shift that is solved but not yet written. */
export interface SolvedShift {
  readonly layer: ShiftableLayer
  readonly weights: LayerWeights
  /** V and c of each group, float64. */
  readonly before: readonly LinearMap[]
  /** The weights of each group as they will be stored, float64. */
  readonly after: readonly LinearMap[]
  /** V* and c* of each group, float64. */
  readonly solutions: readonly Solution[]
  /** The same as the layer will store them. */
  readonly shifted: StoredWeights
}

/** What the verification of a shift found, for its record. */
export type Verified = Pick<
  ShiftResult,
  'batch' | 'replaced' | 'roundingChange' | 'warnings' | 'toOutput' | 'certificate' | 'measured'
>

/**
 * Checks a shift on the rows of its batch, and certifies it on samples that are held out.
 *
 * @throws `ERR_SHIFT_VERIFICATION` if a logit of the batch would move too far or the norm would grow
 */
export async function verifyOnBatch(
  model: ScriptModule,
  dataset: Dataset,
  shift: SolvedShift,
  batch: CapturedBatch,
  options: VerifyOptions,
): Promise<Verified> {
  const { layer, weights, solutions, shifted } = shift
  const { rows, indices } = batch
  const { watch = new OutputWatch(model, layer, shift.before[0]!, options.output) } = batch
  const budget = logitBudget(options)
  const replaced = weights.verify(rows, shifted, budget)
  const roundingChange = weights.roundingChange(rows, solutions, shifted)
  const warning = roundingWarning(roundingChange, weights.dtype, budget)
  const others = heldOutSamples(dataset, indices, options)
  const capture = { ...options, ...windowsOf(layer, indices.length, options) }
  const effect = await effectOn(model, layer, dataset, others, shift, capture)
  const { certificate, measured } = effect
  return {
    batch: { ...batch, batchSize: indices.length, rows: rows[0]!.shape[0]! },
    replaced,
    roundingChange,
    warnings: warning === null ? [] : [warning],
    toOutput: effect.toOutput === undefined || watch.steps === null ? watch.steps : effect.toOutput,
    certificate,
    measured,
  }
}

/**
 * Checks a shift on every sample of the dataset, in one pass: the rows of the first pass were not kept.
 *
 * @throws `ERR_SHIFT_VERIFICATION` if a logit of any sample would move too far or the norm would grow
 */
export async function verifyOnAll(
  model: ScriptModule,
  dataset: Dataset,
  shift: SolvedShift,
  { images }: SummedBatch,
  options: VerifyOptions,
): Promise<Verified> {
  const { layer, weights, shifted } = shift
  const replaced = weights.verify([], shifted, null)
  const effect = await effectOn(model, layer, dataset, evenIndices(dataset.size), shift, options)
  const certificate = effect.certificate!
  expectLogitsKept(shift, effect, logitBudget(options))
  return {
    batch: { sampling: 'all', seed: 0, indices: [], batchSize: images, rows: certificate.samples },
    replaced: { ...replaced, batchLogitChange: certificate.maxLogitChange },
    roundingChange: null,
    warnings: [],
    toOutput: effect.toOutput ?? null,
    certificate,
    measured: effect.measured,
  }
}

function expectLogitsKept(
  { layer, weights }: SolvedShift,
  { certificate, largestLogit }: ShiftEffect,
  budget: number | null,
): void {
  const { maxLogitChange } = certificate!
  if (budget === null || maxLogitChange <= budget + weights.rounding(largestLogit)) return
  throw notVerified(layer.path, `a logit would have moved by ${maxLogitChange}, more than ${budget}`)
}

/** The most that a logit of the batch may move; null if the rank policy does not keep the logits. */
export function logitBudget({ rank, logitBudget: given }: VerifyOptions): number | null {
  if (given !== undefined) return given
  if (rank?.policy === 'ridge') return null
  return rank?.policy === 'logits' ? (rank.delta ?? defaultDelta) : defaultDelta
}

/** Draws samples that are not in the batch. */
function heldOutSamples(
  dataset: Dataset,
  batch: readonly number[],
  { heldOut = 0, seed = 0 }: VerifyOptions,
): number[] {
  if (heldOut === 0) return []
  const used = new Set(batch)
  const size = Math.min(dataset.size, heldOut + used.size)
  return sampleIndices(dataset, { size, sampling: 'uniform', seed: seed + 1 })
    .filter((index) => !used.has(index))
    .slice(0, heldOut)
}
