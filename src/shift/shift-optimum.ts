import { batchCount, checkNumbers, expectObject, type NumberChecks } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { expectDataset } from '../data/internal.js'
import { expectAgreement, expectClassesOf } from '../model/internal.js'
import { type ScriptModule, scope, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { type ApplyOptions, applyShift } from './apply-shift.js'
import { captureRows } from './capture.js'
import { expectOwnBias, groupsOf, shiftableLayer } from './layer/layer.js'
import { LayerWeights } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import { type BatchOptions, drawBatch, windowsOf } from './shift-batch.js'
import type { ShiftRecord } from './shift-record.js'
import { checkRankPolicy } from './solve/rank.js'
import { verifyNumbers } from './verify-shift.js'

export interface ShiftOptions extends BatchOptions, Omit<ApplyOptions, 'companions' | 'seed'> {
  /** Path of a linear layer or a 2-d convolution. Default: the linear layer that makes the model's output (`outputLayer`). */
  layer?: string
}

/** Of the numbers in {@link ShiftOptions}. */
export const shiftNumbers: NumberChecks<ShiftOptions> = { ...verifyNumbers, batchSize: batchCount }

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
  expectObject('options', options)
  const start = performance.now()
  checkNumbers(options, shiftNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  expectClassesOf(model, dataset)
  const layer = shiftableLayer(model, options.layer, options.output)
  expectOwnBias(model, layer, [options.bias])
  const batch = drawBatch(dataset, layer, options)
  using held = model.viewToShift() // from here to the write the weights are the same
  return await torch.noGrad(() =>
    scope(async () => {
      const weights = new LayerWeights(held, layer.path, groupsOf(layer))
      weights.expectNumbers()
      const watch = new OutputWatch(held, layer, weights.maps()[0]!, options.output)
      const capture = { ...options, ...windowsOf(layer, batch.indices.length, options) }
      const captured = await captureRows(held, layer, dataset, batch.indices, capture, watch.look)
      if (captured.outputs !== null) expectAgreement(model, dataset, captured.outputs)
      if (options.layer === undefined) watch.expectOutput()
      const record = await applyShift(held, layer, dataset, { ...batch, ...captured, watch }, options)
      return { ...record, milliseconds: performance.now() - start }
    }),
  )
}
