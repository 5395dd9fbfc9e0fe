import { SosError } from '../base/index.js'
import { type Dataset, type Sampling, sampleIndices } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import type { Tensor } from '../torch/index.js'
import type { CaptureOptions } from './capture.js'
import { isConvolution, type ShiftableLayer } from './layer/layer.js'
import type { OutputWatch } from './output-watch.js'
import type { StreamedSolve } from './solve/streamed-solve.js'

/** Which samples make the batch of a shift. */
export interface BatchOptions {
  /**
   * b, the number of samples whose logits stay. Default: 300, or half the number of the layer's inputs if that is
   * less. 300 is the paper's best of 200, 300 and 400 on CIFAR-100 (Table 4). A batch with as many samples as the
   * layer has inputs leaves almost nothing to shift.
   */
  batchSize?: number
  /**
   * How the samples are drawn. Default: `stratified`. The paper draws uniformly, and may then miss classes, whose
   * images suffer most.
   */
  sampling?: Sampling
  /** The seed of the draw. Default: 0. */
  seed?: number
  /** The samples themselves, instead of a draw. */
  indices?: readonly number[]
}

/** The samples whose logits a shift keeps. */
export interface ShiftBatch {
  /** How they were drawn; `given` if they were not drawn. */
  readonly sampling: Sampling | 'given'
  /** The seed of the draw. */
  readonly seed: number
  /** The samples' indices in the dataset. */
  readonly indices: readonly number[]
}

/** A batch with the layer's inputs for it, as `captureRows` returns them. */
export interface CapturedBatch extends ShiftBatch {
  /** A of each group, [rows, m]. A linear layer is one group. */
  readonly rows: readonly Tensor[]
  /** What was observed of the model's outputs while the rows were captured. @internal */
  readonly watch?: OutputWatch
}

/** All samples of a dataset as the batch. Their rows were added up chunk by chunk and are not kept. */
export interface SummedBatch {
  /** One for each group of the layer, with the rows of all samples added. They are disposed of when they have been solved. */
  readonly solves: readonly StreamedSolve[]
  /** How many images the rows come from. */
  readonly images: number
}

/** Whether a batch is the sum of all samples. */
export function isSummed(batch: CapturedBatch | SummedBatch): batch is SummedBatch {
  return 'solves' in batch
}

/**
 * Draws the samples whose logits a shift of `layer` keeps.
 *
 * @param dataset the dataset to draw from
 * @param layer the layer to be shifted: its number of inputs bounds the default batch size
 * @param options the size, the sampling and the seed; or the samples themselves
 * @returns the samples, in the order of the draw
 * @throws `ERR_BATCH_SIZE` for more samples than the dataset has; `ERR_INDICES` for samples that it does not have, or
 *   for none
 * @example
 * const batch = drawBatch(train, linearLayer(model), { batchSize: 50 })
 * console.log(batch.indices.length, batch.sampling) // → 50 stratified
 */
export function drawBatch(dataset: Dataset, layer: ShiftableLayer, options: BatchOptions = {}): ShiftBatch {
  expectDataset('dataset', dataset)
  const { indices, seed = 0, sampling = 'stratified' } = options
  if (indices !== undefined) {
    checkIndices(dataset, indices)
    if (indices.length > 0) return { sampling: 'given', seed, indices }
    throw new SosError('ERR_INDICES', `expected samples of ${dataset.name} but received none`)
  }
  const { batchSize = defaultBatchSize(dataset, layer) } = options
  return { sampling, seed, indices: sampleIndices(dataset, { size: batchSize, sampling, seed }) }
}

/** 300, half the number of the layer's inputs, or the whole dataset, whichever is the least. */
export function defaultBatchSize(dataset: Dataset, { inFeatures }: ShiftableLayer): number {
  return Math.min(300, Math.max(1, inFeatures >> 1), dataset.size)
}

/**
 * The windows to draw for a convolution. Images soon have more pixels than the convolution has inputs. By default,
 * half as many windows are drawn in all as there are inputs, so that half of the directions stay free.
 */
export function windowsOf(
  layer: ShiftableLayer,
  images: number,
  { windowsPerImage, seed = 0 }: CaptureOptions & Pick<BatchOptions, 'seed'>,
): CaptureOptions {
  if (!isConvolution(layer)) return {}
  const free = Math.max(1, Math.floor(layer.inFeatures / 2 / images))
  return { windowsPerImage: windowsPerImage ?? free, windowSeed: seed }
}
