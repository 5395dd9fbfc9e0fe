import type { Dataset } from '../data/dataset.js'
import { noGrad } from '../torch/context.js'
import { scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import { linearLayer } from './last-linear.js'
import { LayerWeights } from './layer-weights.js'
import { defaultBatchSize, type ShiftOptions, type ShiftRecord, shiftOptimum } from './shift-optimum.js'

/**
 * Shifts several layers one after the other, in the order in which forward calls them, all on the same batch. The inputs
 * of each are taken anew: on the batch the shifts before have left them as they were.
 *
 * @param layers paths; one that is named twice is shifted once
 * @throws as {@link shiftOptimum}; then no layer is changed
 */
export async function shiftLayers(
  model: ScriptModule,
  dataset: Dataset,
  layers: readonly string[],
  options: Omit<ShiftOptions, 'layer'> = {},
): Promise<ShiftRecord[]> {
  const order = ['', ...model.calledSubmodules()]
  const known = [...new Set(layers)]
    .map((path) => linearLayer(model, path))
    .sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path))
  const { batchSize = Math.min(...known.map((layer) => defaultBatchSize(dataset, layer.inFeatures))) } =
    options
  return noGrad(() =>
    scope(async () => {
      const kept = known.map(({ path }) => new LayerWeights(model, path).snapshot())
      const records: ShiftRecord[] = []
      try {
        for (const { path } of known) {
          records.push(await shiftOptimum(model, dataset, { ...options, batchSize, layer: path }))
        }
      } catch (error) {
        for (const restore of kept) restore()
        throw error
      }
      return records
    }),
  )
}
