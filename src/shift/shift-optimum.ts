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

/** How {@link shiftOptimum} draws its batch, solves, verifies and certifies. */
export interface ShiftOptions extends BatchOptions, Omit<ApplyOptions, 'companions' | 'seed'> {
  /**
   * The path of a linear layer or of a 2-d convolution. Default: the linear layer that makes the model's output
   * (`outputLayer`).
   */
  layer?: string
}

/** The checks of the numbers in {@link ShiftOptions}. */
export const shiftNumbers: NumberChecks<ShiftOptions> = { ...verifyNumbers, batchSize: batchCount }

/**
 * Shifts a layer on a small batch: stochastic optimum shifting (the shift of Algorithm 1 in Zhou et al.). The weight V
 * becomes the solution V* of AV* = AV with the least Frobenius norm, where A holds the layer's inputs for the batch.
 * The logits of the batch stay as they are. Those of other images move a little. For a convolution, A holds windows of
 * its input, a separate A for each group, and the outputs at these windows stay as they are.
 *
 * The new weight is verified in the layer's own dtype before it is written. If a logit of the batch would move by more
 * than `logitBudget`, or if the norm would grow, nothing is written. The weight is written in place, between two
 * forwards.
 *
 * @param model the model; its weights are changed. It runs in eval mode meanwhile
 * @param dataset the dataset that the batch is drawn from, usually the training images
 * @param options which layer, which batch, and how to solve, verify and certify
 * @returns the record of the shift
 * @throws `ERR_LABELS` if the dataset's classes are not the model's; `ERR_BATCH_SIZE` or `ERR_INDICES` for a batch that
 *   the dataset does not have; `ERR_NO_OUTPUT_LAYER` or `ERR_NO_LINEAR` if no layer is named and no linear layer makes
 *   the output; `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_NOT_SHIFTABLE` or `ERR_FROZEN` for a layer that cannot be
 *   shifted; `ERR_RANK_POLICY` or `ERR_BIAS` for these options; `ERR_NOT_FINITE` for NaN or infinity in the layer or
 *   its inputs; `ERR_SHIFT_VERIFICATION` if the verification fails; `ERR_BUSY` if somebody wrote to a weight meanwhile
 *   or another task still holds the model. After an error the model is as it was
 * @example
 * const shift = await shiftOptimum(model, train, { batchSize: 60, heldOut: 100 })
 * console.log(shift.layer, shift.rank, shift.normAfter < shift.normBefore) // → fc 60 true
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
  using held = model.viewToShift() // from here until the write, nobody may change the weights
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
