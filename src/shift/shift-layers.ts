import { checkNumbers, expectList } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { type ScriptModule, scope, torch } from '../torch/index.js'
import { expectModule, runIn } from '../torch/internal.js'
import { groupsOf, shiftableLayer } from './layer/layer.js'
import { LayerWeights } from './layer/layer-weights.js'
import { defaultBatchSize } from './shift-batch.js'
import { type ShiftOptions, shiftNumbers, shiftOptimum } from './shift-optimum.js'
import type { ShiftRecord } from './shift-record.js'
import { checkRankPolicy } from './solve/rank.js'

/**
 * Shifts several layers on the same batch, one after another in the order in which forward calls them. The inputs of
 * each layer are captured anew: for the batch, the earlier shifts have left them as they were.
 *
 * @param model the model; its weights are changed
 * @param dataset the dataset that the batch is drawn from
 * @param layers the paths of the layers; a path that is named twice is shifted once
 * @param options as those of `shiftOptimum`. The default batch size is the smallest default of these layers
 * @returns the records, in the order of the shifts
 * @throws what {@link shiftOptimum} throws; then no layer is changed
 * @example
 * const paths = ['layer4.conv2', 'fc']
 * const shifts = await shiftLayers(model, train, paths, { batchSize: 8 })
 * console.log(shifts.map(({ layer, rows }) => `${layer} ${rows.of}`)) // → [ 'layer4.conv2 windows', 'fc images' ]
 */
export async function shiftLayers(
  model: ScriptModule,
  dataset: Dataset,
  layers: readonly string[],
  options: Omit<ShiftOptions, 'layer'> = {},
): Promise<ShiftRecord[]> {
  expectList('layers', layers)
  expectModule('model', model)
  checkNumbers(options, shiftNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  const order = ['', ...model.calledSubmodules()]
  const known = [...new Set(layers)]
    .map((path) => shiftableLayer(model, path))
    .sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path))
  const { batchSize = Math.min(...known.map((layer) => defaultBatchSize(dataset, layer))) } = options
  using held = model.viewToShift()
  return await torch.noGrad(() =>
    scope(async () => {
      const kept = known.map((layer) => new LayerWeights(held, layer.path, groupsOf(layer)))
      const records: ShiftRecord[] = []
      try {
        for (const { path } of known) {
          records.push(await shiftOptimum(held, dataset, { ...options, batchSize, layer: path }))
        }
      } catch (error) {
        const written = kept.slice(0, records.length)
        await runIn({ signal: null }, () =>
          Promise.all(written.map((weights) => weights.write(weights.before, { forced: true }))),
        )
        throw error
      }
      return records
    }),
  )
}
