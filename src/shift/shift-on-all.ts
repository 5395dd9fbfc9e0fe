import { checkNumbers, nonNegative } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { evenIndices, expectDataset } from '../data/internal.js'
import { expectAgreement, expectClassesOf } from '../model/internal.js'
import { type ScriptModule, scope, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { applyShift } from './apply-shift.js'
import { captureChunks, captureNumbers } from './capture.js'
import { expectOwnBias, groupsOf, type ShiftableLayer, shiftableLayer } from './layer/layer.js'
import { LayerWeights } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import type { ShiftOptions } from './shift-optimum.js'
import type { ShiftRecord } from './shift-record.js'
import { checkRankPolicy } from './solve/rank.js'
import { StreamedSolve } from './solve/streamed-solve.js'

/** The options of {@link shiftOnAll}: those of {@link shiftOptimum} without those of the batch. */
export type ShiftOnAllOptions = Omit<ShiftOptions, 'batchSize' | 'sampling' | 'seed' | 'indices' | 'heldOut'>

/**
 * Shifts on a whole dataset (the paper's OS): the weight becomes the solution V* of AV* = AV with the least Frobenius norm, where A holds the
 * layer's inputs for all samples. One pass adds up AᵀA in float64. A second pass certifies every sample with the
 * weights as they will be stored. The memory does not depend on the number of samples.
 *
 * The features of a trained network usually have full rank. Then V* is V, and the record's `identity` is true.
 *
 * @param model the model; its weights are changed
 * @param dataset all of its samples are the batch
 * @param options as those of `shiftOptimum`; the solver is `gram` (default) or `svd`, and the bias mode `fixed` (default) or `absorb`
 * @returns the record of the shift; its certificate is that of all samples
 * @throws what `shiftOptimum` throws; `ERR_SOLVER` for another solver, `ERR_BIAS` for the bias mode `augment`, `ERR_TOLERANCE` for a tolerance
 *   that the solver cannot resolve. The model is then as it was
 * @example
 * const record = await shiftOnAll(model, train)
 * console.log(record.sampling, record.batchSize) // → all 256
 */
export async function shiftOnAll(
  model: ScriptModule,
  dataset: Dataset,
  options: ShiftOnAllOptions = {},
): Promise<ShiftRecord> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  const start = performance.now()
  checkNumbers<ShiftOnAllOptions>(options, { ...captureNumbers, logitBudget: nonNegative })
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  expectClassesOf(model, dataset)
  const layer = shiftableLayer(model, options.layer, options.output)
  expectOwnBias(model, layer, [options.bias])
  using held = model.viewToShift() // from here until the write, nobody may change the weights
  const solves = Array.from({ length: groupsOf(layer) }, () => new StreamedSolve(layer.inFeatures, options))
  try {
    const images = await torch.noGrad(() => scope(() => addUp(held, layer, dataset, solves, options)))
    const record = await applyShift(held, layer, dataset, { solves, images }, options)
    return { ...record, milliseconds: performance.now() - start }
  } finally {
    for (const solve of solves) solve.dispose()
  }
}

/**
 * Adds the rows of all samples to `solves`, which has one for each group. Returns the number of images that the rows
 * come from.
 */
async function addUp(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  solves: readonly StreamedSolve[],
  options: ShiftOnAllOptions,
): Promise<number> {
  const weights = new LayerWeights(model, layer.path, groupsOf(layer))
  weights.expectNumbers()
  const watch = new OutputWatch(model, layer, weights.maps()[0]!, options.output)
  const everything = evenIndices(dataset.size)
  let images = 0
  for await (const chunk of captureChunks(model, layer, dataset, everything, options, watch.look)) {
    if (chunk.outputs !== null) expectAgreement(model, dataset, chunk.outputs)
    images += chunk.indices.length
    for (const [group, rows] of chunk.rows.entries()) await solves[group]!.add(rows)
  }
  if (options.layer === undefined) watch.expectOutput()
  return images
}
