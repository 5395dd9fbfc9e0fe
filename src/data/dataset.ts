import { count, expectList, refuseArgument, SosError, shown } from '../base/index.js'
import { type DType, type Tensor, torch } from '../torch/index.js'
import { isFloating } from '../torch/internal.js'
import { readAhead } from './read-ahead.js'

/** Labelled images. The labels are known without decoding any image. */
export interface Dataset {
  /** A name for messages. */
  readonly name: string
  /** The number of samples. */
  readonly size: number
  /** The names of the classes, in the order of their indices. */
  readonly classes: readonly string[]
  /** The class index of each sample, [size]. */
  readonly labels: Int32Array
  /** Loads the samples at `indices`, preprocessed, in their order. */
  load(indices: readonly number[]): Promise<LoadedImages>
  /** The images before their values are scaled, which training needs to augment them. Without it, training uses what `load` gives. */
  readonly pixels?: Pixels
}

/** Images before the values are scaled. */
export interface Pixels {
  /** The mean of each channel: scaling computes (value / 255 − mean) / std. */
  readonly mean: readonly number[]
  /** The standard deviation of each channel. */
  readonly std: readonly number[]
  /** Loads samples like the `load` of the dataset, but as uint8 [n, C, H, W], resized and cropped. */
  load(indices: readonly number[]): Promise<LoadedImages>
}

/** Some samples of a dataset. */
export interface LoadedImages {
  /** [n, C, H, W] on the CPU, float32 in the datasets of this package; [0] if every image was skipped. */
  readonly images: Tensor
  /** The indices of the n samples: those that were asked for, without the skipped ones. */
  readonly indices: readonly number[]
  /** The samples that were left out because their files are corrupt. It is always empty if the dataset does not skip corrupt files. */
  readonly skipped: readonly SkippedImage[]
}

/** A sample that was left out because its file is corrupt. */
export interface SkippedImage {
  /** Its index in the dataset. */
  readonly index: number
  /** The path of its file. */
  readonly path: string
  /** What is wrong with the file. */
  readonly reason: string
}

/** How much of a task is done. */
export interface Progress {
  readonly done: number
  readonly total: number
  /** How many of those done were taken from the record of an earlier run. Default: 0. */
  readonly resumed?: number
}

/** Options of every function that goes through a dataset. */
export interface RunOptions {
  /** The device to which the images are moved. Default: the device of the model. */
  device?: string
  /** Is called after each batch. */
  onProgress?: (progress: Progress) => void
  /** Ends the run after the batch at work, with the signal's reason. */
  signal?: AbortSignal
}

/** The device and the dtype in which a model takes images. */
export interface ImagePlacement {
  /** The device of the images. Default: cpu. */
  device?: string
  /** The dtype of floating-point images; null leaves them as they are. Default: null. */
  dtype?: DType | null
}

/** A batch of samples with their labels. */
export interface Batch extends LoadedImages {
  /** The labels of the samples, int64 [n], on the device of the images. */
  readonly labels: Tensor
}

/**
 * Goes through some samples of a dataset in batches. The next batch is loaded while the caller works on the current one, and a batch is
 * freed when the caller asks for the next. A batch whose images were all skipped comes too, without images, for its `skipped`.
 *
 * @param dataset the dataset
 * @param indices the samples, in the order in which they come
 * @param batchSize the number of samples in a batch; the last one may have fewer
 * @param placement the device and the dtype of the images. Default: on the CPU, in the dtype of the dataset
 * @returns the batches, one after another
 * @throws `ERR_INDICES` if an index is not one of the dataset, `ERR_INVALID_ARGUMENT`, and whatever the dataset's `load` throws
 * @example
 * for await (const { images, labels } of batches(test, [0, 1, 2], 2)) {
 *   console.log(images.shape, labels.toArray())
 * }
 * // → [ 2, 1, 28, 28 ] [ 9, 2 ]
 * // → [ 1, 1, 28, 28 ] [ 1 ]
 */
export async function* batches(
  dataset: Dataset,
  indices: readonly number[],
  batchSize: number,
  placement: ImagePlacement = {},
): AsyncGenerator<Batch> {
  count('batchSize', batchSize)
  checkIndices(dataset, indices)
  const load = (number: number) => {
    const start = number * batchSize
    return start < indices.length ? dataset.load(indices.slice(start, start + batchSize)) : null
  }
  const free = ({ images }: LoadedImages) => images.dispose()
  for await (const { images: loaded, ...which } of readAhead({ begin: load, free })) {
    const images = toPlacement(loaded, placement)
    try {
      const numbers = which.indices.map((index) => dataset.labels[index]!)
      using labels = torch.tensor(numbers, { dtype: 'int64', device: images.device })
      yield { ...which, images, labels }
    } finally {
      if (images !== loaded) images.dispose()
    }
  }
}

/** The images on a device and in a dtype. If they are so already, these are the images themselves, not a copy. */
export function toPlacement(images: Tensor, { device = 'cpu', dtype = null }: ImagePlacement): Tensor {
  const wanted = dtype === null || !isFloating(images.dtype) ? images.dtype : dtype
  return images.device === device && images.dtype === wanted ? images : images.to({ device, dtype: wanted })
}

/** Throws `ERR_INDICES` if one of `indices` is not a sample of the dataset. */
export function checkIndices(dataset: Dataset, indices: readonly number[]): void {
  expectDataset('dataset', dataset)
  expectList('indices', indices)
  const { name, size } = dataset
  const wrong = indices.findIndex((index) => !Number.isInteger(index) || index < 0 || index >= size)
  if (wrong === -1) return
  throw new SosError(
    'ERR_INDICES',
    `expected samples of ${name} from 0 to ${size - 1} but received ${shown(indices[wrong])}`,
  )
}

/** All indices, or `limit` of them spread evenly: a folder is sorted by class, so its first images are of few classes. */
export function evenIndices(size: number, limit?: number): number[] {
  if (limit !== undefined) count('limit', limit)
  if (limit === undefined || limit >= size) return Array.from({ length: size }, (_, i) => i)
  return Array.from({ length: limit }, (_, i) => Math.floor((i * size) / limit))
}

/** @throws `ERR_INVALID_ARGUMENT` if a value is not a dataset */
export function expectDataset(name: string, value: unknown): asserts value is Dataset {
  const { size, labels, classes, load } = (value ?? {}) as Partial<Dataset>
  const fits = typeof size === 'number' && ArrayBuffer.isView(labels) && Array.isArray(classes)
  if (!fits || typeof load !== 'function') refuseArgument('a dataset', name, value)
}
