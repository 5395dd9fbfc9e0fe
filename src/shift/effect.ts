import type { Dataset } from '../data/index.js'
import type { ScriptModule } from '../torch/index.js'
import { type CaptureOptions, captureChunks } from './capture.js'
import { type DriftCertificate, DriftSums } from './certificates.js'
import { groupsOf, type ShiftableLayer } from './layer/layer.js'
import { LayerWeights, type StoredWeights } from './layer/layer-weights.js'
import { compared, type MeasuredPredictions, OutputWatch } from './output-watch.js'
import type { LinearMap } from './solve/linear-map.js'

/** The weights of a layer before and after a shift that is not yet written. */
export interface Shifted {
  /** V and c of each group, float64. */
  readonly before: readonly LinearMap[]
  /** V* and c* of each group, float64. */
  readonly after: readonly LinearMap[]
  /** The new weights as the layer will store them. */
  readonly shifted: StoredWeights
}

/** What a shift does to images outside of its batch. */
export interface ShiftEffect {
  /** What follows from the layer's inputs; null if there were no images. */
  readonly certificate: DriftCertificate | null
  /**
   * The model's predictions before and after. Null if the certificate says which predictions changed, or if the model
   * does not return [N, classes].
   */
  readonly measured: MeasuredPredictions | null
  /** As {@link OutputWatch.steps}; undefined if there were no images to observe. */
  readonly toOutput?: readonly string[] | null
  /** max |z| of the layer's outputs before. Rounding is relative to it. */
  readonly largestLogit: number
}

/**
 * Certifies a shift on the images at `indices`. If the layer's outputs are the model's logits, its inputs are enough.
 * Otherwise, and if rounding decides a class, the images also go through a copy of the model with the new weights, and
 * the changed predictions are counted.
 */
export async function effectOn(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  indices: readonly number[],
  { before, after, shifted }: Shifted,
  options: CaptureOptions,
): Promise<ShiftEffect> {
  if (indices.length === 0) return { certificate: null, measured: null, largestLogit: 0 }
  const drifts = new DriftSums(before, after)
  const watch = new OutputWatch(model, layer, before[0]!, options.output)
  for await (const { rows } of captureChunks(model, layer, dataset, indices, options, watch.look)) {
    drifts.add(rows, watch.rounding(shifted.weight.dtype))
  }
  const certificate = drifts.certificate(watch.areLogits)
  const known = { certificate, toOutput: watch.steps, largestLogit: drifts.largestLogit }
  if (certificate.changedPredictions !== null || watch.predictions === null)
    return { ...known, measured: null }
  const copy = await model.clone()
  try {
    using changed = copy.viewToShift()
    await new LayerWeights(changed, layer.path, groupsOf(layer)).write(shifted)
    const then = new OutputWatch(changed, layer, after[0]!, options.output)
    const one = { ...options, windowsPerImage: 1 } // the rows are not used
    for await (const _ of captureChunks(changed, layer, dataset, indices, one, then.look)) {
      // Only the model's output is used.
    }
    return { ...known, measured: compared(watch, then) }
  } finally {
    copy.dispose()
  }
}
