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
}

/** The batch of a shift. */
export interface ShiftBatch {
  /** `given` where the samples were given. */
  readonly sampling: Sampling | 'given'
  readonly seed: number
  /** Samples of the dataset. */
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
 * @throws `ERR_BATCH_SIZE` for more samples than the dataset has, `ERR_INDICES` for samples that it has not
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

/** 300, or half the layer's inputs, or the whole dataset, whichever is least. */
export function defaultBatchSize(dataset: Dataset, { inFeatures }: ShiftableLayer): number {
  return Math.min(300, Math.max(1, inFeatures >> 1), dataset.size)
}

/** Pixels outnumber a convolution's inputs soon: as many windows by default as leave half of the directions free. */
export function windowsOf(
  layer: ShiftableLayer,
  images: number,
  { windowsPerImage, seed = 0 }: CaptureOptions & Pick<BatchOptions, 'seed'>,
): CaptureOptions {
  if (!isConvolution(layer)) return {}
  const free = Math.max(1, Math.floor(layer.inFeatures / 2 / images))
  return { windowsPerImage: windowsPerImage ?? free, windowSeed: seed }
}
