import type { Dataset, RunOptions } from '../../data/index.js'
import type { LinearLayer, OutputItem, OutputOptions } from '../../model/index.js'
import { expectAgreement, findOutputLayer, pass } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { kernelTolerance } from '../../torch/internal.js'
import { type FeatureSource, frozenSource, hookedSource } from './feature-source.js'
import { type RowStore, type RowStoreOptions, rowStore } from './row-store.js'

/** How the inputs of the last layer are computed and kept. */
export interface FeatureOptions extends RunOptions, RowStoreOptions, OutputOptions {
  /** How many images one forward takes. Default: 64. */
  chunk?: number
  /**
   * Whether to run a frozen copy of the model that is optimised for this machine. It is used if its features agree up
   * to rounding and the graph shows that nothing comes after the layer. Evaluation runs such a copy; a shift captures
   * its batch from the model itself. Default: false.
   */
  frozen?: boolean
}

/** The inputs of a model's last layer for the images of a dataset, computed once. */
export interface Features {
  /** [N, m] on the CPU, in the dtype in which they came; they may be mapped from a file. */
  readonly rows: Tensor
  /** The index in the dataset of each row. */
  readonly indices: readonly number[]
  /** The number of images that could not be read. */
  readonly skipped: number
}

/**
 * Runs a model on the images at `indices` and keeps the inputs of its last layer. The layer's output must be the
 * model's: any other weight of the layer is then evaluated by one matrix product.
 *
 * @throws `ERR_NOT_LAST` if something comes after the layer, or the layer gets more than one row for an image;
 *   `ERR_LABELS` if the dataset's classes are not the layer's outputs
 */
export async function cacheFeatures(
  model: ScriptModule,
  layer: LinearLayer,
  dataset: Dataset,
  indices: readonly number[],
  options: FeatureOptions = {},
): Promise<Features> {
  const { chunk = 64, device, onProgress, signal } = options
  using held = model.view({ eval: true })
  let source: FeatureSource | undefined
  let store: RowStore | undefined
  const loaded: number[] = []
  let skipped = 0
  try {
    const onAllCorrupt = (some: readonly unknown[]) => {
      skipped += some.length
    }
    const run = { chunk, device, onProgress, signal, onAllCorrupt }
    for await (const batch of pass(held, dataset, indices, run)) {
      skipped += batch.skipped.length
      source ??= await chooseSource(held, layer, batch.images, options)
      using rows = await torch.noGrad(() => source!.rows(batch.images))
      expectAgreement(model, dataset, layer.outFeatures)
      store ??= await rowStore(indices.length, layer.inFeatures, rows.dtype, options)
      await store.add(rows)
      loaded.push(...batch.indices)
    }
    const rows = await store!.finish()
    store = undefined
    return { rows, indices: loaded, skipped }
  } finally {
    await store?.discard()
    source?.end()
  }
}

/**
 * Returns the frozen copy if it agrees with the hook on the first images, otherwise the hook, which is always right.
 */
async function chooseSource(
  model: ScriptModule,
  layer: LinearLayer,
  images: Tensor,
  { frozen = false, output }: FeatureOptions,
): Promise<FeatureSource> {
  const sources = [hookedSource(model, layer, output)]
  let chosen: FeatureSource | undefined
  try {
    // For a copy, only the graph shows what becomes of the layer's output on other images.
    if (frozen && makesOutput(model, layer, output)) sources.push(await frozenSource(model, layer, output))
    const [hooked, copy] = sources
    const agrees = copy !== undefined && (await torch.noGrad(() => scope(() => agree(hooked!, copy, images))))
    chosen = agrees ? copy : hooked!
    return chosen
  } finally {
    for (const source of sources) if (source !== chosen) source.end()
  }
}

function makesOutput(model: ScriptModule, { path }: LinearLayer, item?: OutputItem): boolean {
  const found = findOutputLayer(model, item)
  return typeof found !== 'string' && found.layer.path === path
}

async function agree(hooked: FeatureSource, copy: FeatureSource, images: Tensor): Promise<boolean> {
  const expected = await hooked.rows(images)
  const given = await copy.rows(images).catch(() => null)
  if (given === null || given.shape.join() !== expected.shape.join()) return false
  const off = given.sub(expected).abs().max().item()
  return off <= kernelTolerance(expected.dtype) * Math.max(1e-3, expected.abs().max().item())
}
