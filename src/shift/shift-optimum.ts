import {
  batchCount,
  checkNumbers,
  type NumberChecks,
  nonNegative,
  whole,
  wholeSeed,
} from '../base/check-number.js'
import { SosError } from '../base/errors.js'
import { checkIndices, type Dataset, expectDataset } from '../data/dataset.js'
import { type Sampling, sampleIndices } from '../data/sampling.js'
import { expectAgreement, expectClassesOf } from '../model/class-agreement.js'
import { noGrad } from '../torch/context/context.js'
import { expectModule, type ScriptModule } from '../torch/module/script-module.js'
import { scope } from '../torch/tensor/scope.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import { type CaptureOptions, captureNumbers, captureRows } from './capture.js'
import { effectOn } from './effect.js'
import { expectOwnBias, groupsOf, isConvolution, type ShiftableLayer, shiftableLayer } from './layer/layer.js'
import { expectSomeRank, LayerWeights, roundingWarning } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import { describeShift, type ShiftRecord } from './shift-record.js'
import { checkRankPolicy, defaultDelta } from './solve/rank.js'
import { type Solution, type SolveOptions, solveShift } from './solve/solve.js'

export interface ShiftOptions extends CaptureOptions, Omit<SolveOptions, 'companions'> {
  /** Path of a linear layer or a 2-d convolution. Default: the linear layer that makes the model's output (`outputLayer`). */
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
  /**
   * A of the samples at `indices`, which are needed with it: [rows, m] of each group, as `captureRows` gives them. Default: they
   * are captured.
   */
  rows?: readonly Tensor[]
  /**
   * More tensors of the weight's shape, as an optimizer's momentum of it: projected, in place, on the directions that the
   * weight keeps. Not with convolutions, nor with what `SolveOptions.companions` is not for. Default: none.
   */
  companions?: readonly Tensor[]
  /**
   * Samples of the dataset outside of the batch that certify the shift. Where the layer's outputs are not the model's logits,
   * the model's predictions on them are measured before and after. Default: 0.
   */
  heldOut?: number
}

/** Of the numbers in {@link ShiftOptions}. */
export const shiftNumbers: NumberChecks<ShiftOptions> = {
  ...captureNumbers,
  batchSize: batchCount,
  seed: wholeSeed,
  heldOut: whole(0),
  logitBudget: nonNegative,
}

/**
 * Stochastic optimum shifting (Zhou et al., Algorithm 1's shift): replaces the weight V of a linear layer by the solution
 * V* of AV* = AV of least Frobenius norm, where A holds the layer's inputs for a small batch. The logits of the batch
 * stay, those of other images move a little. In a convolution, A holds windows of its inputs, each group apart, and its
 * outputs at those windows stay.
 *
 * What is to be written is verified in the layer's own dtype before: nothing is written where a logit of the batch would move
 * by more than `logitBudget`, or the norm would grow. The weight is then written in place, between two forwards.
 *
 * @throws `ERR_LABELS` where the dataset's classes are not the model's, `ERR_BATCH_SIZE`, `ERR_INDICES`, `ERR_NO_SUCH_MODULE`,
 * `ERR_NOT_LINEAR`, `ERR_NOT_SHIFTABLE`, `ERR_FROZEN`, `ERR_NO_OUTPUT_LAYER` and `ERR_NO_LINEAR` where no layer is named and none
 * makes the model's output, `ERR_RANK_POLICY`, `ERR_BIAS`, `ERR_NOT_FINITE`, `ERR_SHIFT_VERIFICATION`,
 * `ERR_BUSY` where a weight was written to since, or another task still holds the model (the model is as it was)
 */
export async function shiftOptimum(
  model: ScriptModule,
  dataset: Dataset,
  options: ShiftOptions = {},
): Promise<ShiftRecord> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  const start = performance.now()
  checkNumbers(options, shiftNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  expectClassesOf(model, dataset)
  const layer = shiftableLayer(model, options.layer, options.output)
  expectOwnBias(model, layer, [options.bias])
  const batch = chooseBatch(dataset, options, layer.inFeatures)
  using held = model.viewToShift() // from here to the write the weights are the same
  return await noGrad(() =>
    scope(async () => {
      const weights = new LayerWeights(held, layer.path, groupsOf(layer))
      weights.expectNumbers()
      const before = weights.maps()
      const watch = new OutputWatch(held, layer, before[0]!, options.output)
      const capture = { ...options, ...windowsOf(layer, batch.indices.length, options) }
      const { rows, indices, outputs } =
        options.rows === undefined
          ? await captureRows(held, layer, dataset, batch.indices, capture, watch.look)
          : { rows: options.rows, indices: batch.indices, outputs: null }
      if (outputs !== null) expectAgreement(model, dataset, outputs)
      const solve = {
        ...options,
        ...(options.companions && { companions: transposed(options.companions, layer) }),
      }
      const solutions: Solution[] = []
      for (const [group, { weight, bias }] of before.entries()) {
        solutions.push(await solveShift(rows[group]!, weight, bias, solve))
      }
      if (options.layer === undefined) watch.expectOutput()
      expectSomeRank(layer.path, solutions, options)
      const shifted = weights.stored(solutions)
      const replaced = weights.verify(rows, shifted, logitBudget(options))
      const rounding = weights.roundingChange(rows, solutions, shifted)
      const warning = roundingWarning(rounding, weights.dtype, logitBudget(options))
      const after = weights.maps(shifted)
      const others = heldOutSamples(dataset, batch.indices, options)
      const effect = await effectOn(held, layer, dataset, others, { before, after, shifted }, capture)
      await weights.write(shifted)
      options.companions?.forEach((tensor, i) => void tensor.copy_(solutions[0]!.companions[i]!.t()))
      return describeShift({
        layer,
        options,
        dataset,
        batch: { ...batch, indices, batchSize: indices.length, rows: rows[0]!.shape[0]! },
        before,
        after,
        solutions,
        replaced,
        dtype: weights.dtype,
        roundingChange: rounding,
        warnings: warning === null ? [] : [warning],
        toOutput: effect.toOutput === undefined || watch.steps === null ? watch.steps : effect.toOutput,
        certificate: effect.certificate,
        measured: effect.measured,
        milliseconds: performance.now() - start,
      })
    }),
  )
}

/** As V is, [m, n]: what TorchScript keeps is [n, m]. */
function transposed(companions: readonly Tensor[], layer: ShiftableLayer): Tensor[] {
  if (!isConvolution(layer)) return companions.map((tensor) => tensor.t())
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a linear layer to project companions of but '${layer.path}' is a convolution`,
  )
}

function chooseBatch(dataset: Dataset, options: ShiftOptions, inFeatures: number) {
  const { indices, rows, seed = 0, sampling = 'stratified' } = options
  if (rows !== undefined && indices === undefined) {
    throw new SosError('ERR_INDICES', 'expected the indices of the samples that `rows` are of')
  }
  if (indices !== undefined) {
    if (indices.length === 0) {
      throw new SosError('ERR_INDICES', `expected samples of ${dataset.name} but received none`)
    }
    checkIndices(dataset, indices)
    return { sampling: 'given' as const, seed, indices }
  }
  const { batchSize = defaultBatchSize(dataset, inFeatures) } = options
  return { sampling, seed, indices: sampleIndices(dataset, { size: batchSize, sampling, seed }) }
}

/** 300, or half the layer's inputs, or the whole dataset, whichever is least. */
export function defaultBatchSize(dataset: Dataset, inFeatures: number): number {
  return Math.min(300, Math.max(1, inFeatures >> 1), dataset.size)
}

/** Pixels outnumber a convolution's inputs soon: as many windows by default as leave half of the directions free. */
export function windowsOf(
  layer: ShiftableLayer,
  images: number,
  { windowsPerImage, seed = 0 }: ShiftOptions,
): CaptureOptions {
  if (!isConvolution(layer)) return {}
  const free = Math.max(1, Math.floor(layer.inFeatures / 2 / images))
  return { windowsPerImage: windowsPerImage ?? free, windowSeed: seed }
}

/** What verification allows; null where the rank policy keeps no logits. */
export function logitBudget({ rank, logitBudget: given }: ShiftOptions): number | null {
  if (given !== undefined) return given
  if (rank?.policy === 'ridge') return null
  return rank?.policy === 'logits' ? (rank.delta ?? defaultDelta) : defaultDelta
}

function heldOutSamples(
  dataset: Dataset,
  batch: readonly number[],
  { heldOut = 0, seed = 0 }: ShiftOptions,
): number[] {
  if (heldOut === 0) return []
  const used = new Set(batch)
  const size = Math.min(dataset.size, heldOut + used.size)
  return sampleIndices(dataset, { size, sampling: 'uniform', seed: seed + 1 })
    .filter((index) => !used.has(index))
    .slice(0, heldOut)
}
