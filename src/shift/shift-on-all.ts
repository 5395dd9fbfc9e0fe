import { checkNumbers, nonNegative } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { expectDataset, spread } from '../data/internal.js'
import { expectAgreement, expectClassesOf } from '../model/internal.js'
import { type ScriptModule, scope, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { logitBudget } from './apply-shift.js'
import { type CaptureOptions, captureChunks, captureNumbers, type Look } from './capture.js'
import { effectOn } from './effect.js'
import { expectOwnBias, groupsOf, type ShiftableLayer, shiftableLayer } from './layer/layer.js'
import { expectSomeRank, LayerWeights, notVerified } from './layer/layer-weights.js'
import { OutputWatch } from './output-watch.js'
import type { ShiftOptions } from './shift-optimum.js'
import { describeShift, type ShiftRecord } from './shift-record.js'
import type { LinearMap } from './solve/linear-map.js'
import { checkRankPolicy } from './solve/rank.js'
import type { Solution } from './solve/solve.js'
import { StreamedSolve } from './solve/streamed-solve.js'

export type ShiftOnAllOptions = Omit<ShiftOptions, 'batchSize' | 'sampling' | 'seed' | 'indices' | 'heldOut'>

/**
 * Optimum shifting on a whole dataset (the paper's OS): V* of AV* = AV with least Frobenius norm, where A holds the layer's
 * inputs for all samples. One pass sums AᵀA up in float64, a second certifies every sample with the weights as they will be
 * stored; memory does not depend on the number of samples. A trained network's features have full rank as a rule: then V*
 * is V, and the record says `identity`.
 *
 * @throws as `shiftOptimum`, and `ERR_SOLVER`, `ERR_TOLERANCE`; the model is as it was
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
  using held = model.viewToShift() // from here to the write the weights are the same
  return await torch.noGrad(() =>
    scope(async () => {
      const weights = new LayerWeights(held, layer.path, groupsOf(layer))
      weights.expectNumbers()
      const before = weights.maps()
      const everything = spread(dataset.size)
      const watch = new OutputWatch(held, layer, before[0]!, options.output)
      const { solutions, images } = await solveAll(held, layer, dataset, before, options, watch.look)
      if (options.layer === undefined) watch.expectOutput()
      expectSomeRank(layer.path, solutions, options)
      const shifted = weights.stored(solutions)
      const replaced = weights.verify([], shifted, null)
      const after = weights.maps(shifted)
      const effect = await effectOn(held, layer, dataset, everything, { before, after, shifted }, options)
      const certificate = effect.certificate!
      const { maxLogitChange } = certificate
      const budget = logitBudget(options)
      if (budget !== null && !(maxLogitChange <= budget + weights.rounding(effect.largestLogit))) {
        throw notVerified(layer.path, `a logit would have moved by ${maxLogitChange}, more than ${budget}`)
      }
      await weights.write(shifted)
      return describeShift({
        layer,
        options: { solver: 'gram', ...options },
        dataset,
        batch: { sampling: 'all', seed: 0, indices: [], batchSize: images, rows: certificate.samples },
        before,
        after,
        solutions,
        replaced: { ...replaced, batchLogitChange: certificate.maxLogitChange },
        dtype: weights.dtype,
        roundingChange: null,
        warnings: [],
        certificate,
        measured: effect.measured,
        toOutput: effect.toOutput ?? null,
        milliseconds: performance.now() - start,
      })
    }),
  )
}

async function solveAll(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  before: readonly LinearMap[],
  options: CaptureOptions & ShiftOnAllOptions,
  look: Look,
): Promise<{ solutions: Solution[]; images: number }> {
  const solves = before.map(() => new StreamedSolve(layer.inFeatures, options))
  let images = 0
  try {
    for await (const { rows, indices, outputs } of captureChunks(
      model,
      layer,
      dataset,
      spread(dataset.size),
      options,
      look,
    )) {
      if (outputs !== null) expectAgreement(model, dataset, outputs)
      images += indices.length
      for (const [group, part] of rows.entries()) await solves[group]!.add(part)
    }
    const solutions: Solution[] = []
    for (const [group, solve] of solves.entries()) solutions.push(await solve.solve(before[group]!))
    return { solutions, images }
  } finally {
    for (const solve of solves) solve.dispose()
  }
}
