import { count, expectList, refuseArgument, SosError, shown } from '../base/index.js'
import { type DType, type Tensor, torch } from '../torch/index.js'
import { isFloating } from '../torch/internal.js'
import { readAhead } from './read-ahead.js'

/** Labelled images, of which the labels are known without decoding any. */
export interface Dataset {
  /** For messages: how a person would name it. */
  readonly name: string
  readonly size: number
  /** Class names in the order of their indices. */
  readonly classes: readonly string[]
  /** The class index of each sample, [size]. */
  readonly labels: Int32Array
  /** The preprocessed images at `indices`, in their order. */
  load(indices: readonly number[]): Promise<LoadedImages>
  /** What training needs to augment images; a dataset without it is trained on as `load` gives it. */
  readonly pixels?: Pixels
}

/** Images before the values are scaled. */
export interface Pixels {
  /** What is done to the values then: (value / 255 − mean) / std, by channel. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** As the dataset's own `load`, but uint8 [n, C, H, W]: resized and cropped. */
  load(indices: readonly number[]): Promise<LoadedImages>
}

export interface LoadedImages {
  /** [n, C, H, W] on the CPU, float32 in the datasets of this package; [0] where every image was skipped. */
  readonly images: Tensor
  /** The n samples that the images are of: those asked for, less the skipped ones. */
  readonly indices: readonly number[]
  /** Samples left out because their files are corrupt; always empty where the dataset does not skip these. */
  readonly skipped: readonly SkippedImage[]
}

export interface SkippedImage {
  readonly index: number
  readonly path: string
  readonly reason: string
}

export interface Progress {
  readonly done: number
  readonly total: number
  /** How many of those done are an earlier run's, from its record. Default: 0. */
  readonly resumed?: number
}

/** What everything that goes through a dataset can be told. */
export interface RunOptions {
  /** Where the images go. Default: the device of the model. */
  device?: string
  onProgress?: (progress: Progress) => void
  /** Ends the run after the batch at work, with the signal's reason. */
  signal?: AbortSignal
}

/** Where, and as what, a model takes images. */
export interface ImagePlacement {
  /** Default: cpu. */
  device?: string
  /** Of floating-point images; null leaves them as they are. Default: null. */
  dtype?: DType | null
}

export interface Batch extends LoadedImages {
  /** int64 [n] */
  readonly labels: Tensor
}

/**
 * Goes through the samples at `indices`, `batchSize` at a time; the next batch is loaded while the caller works on this
 * one. Images come as a model takes them, by `placement`. A batch is freed when the next is asked for. One whose images were all skipped has none, and is yielded for its
 * `skipped`.
 */
export async function* batches(
  dataset: Dataset,
  indices: readonly number[],
  batchSize: number,
  { device = 'cpu', dtype = null }: ImagePlacement = {},
): AsyncGenerator<Batch> {
  count('batchSize', batchSize)
  checkIndices(dataset, indices)
  const load = (number: number) => {
    const start = number * batchSize
    return start < indices.length ? dataset.load(indices.slice(start, start + batchSize)) : null
  }
  const free = ({ images }: LoadedImages) => images.dispose()
  for await (const { images: loaded, ...which } of readAhead({ begin: load, free })) {
    const images = placed(loaded, { device, dtype })
    try {
      const numbers = which.indices.map((index) => dataset.labels[index]!)
      using labels = torch.tensor(numbers, { dtype: 'int64', device })
      yield { ...which, images, labels }
    } finally {
      if (images !== loaded) images.dispose()
    }
  }
}

/** The images on a device in a dtype; themselves where they are so. */
export function placed(images: Tensor, { device = 'cpu', dtype = null }: ImagePlacement): Tensor {
  const wanted = dtype === null || !isFloating(images.dtype) ? images.dtype : dtype
  return images.device === device && images.dtype === wanted ? images : images.to({ device, dtype: wanted })
}

/** Throws `ERR_INDICES` where one of `indices` is no sample of the dataset. */
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

/** All indices, or `limit` of them spread evenly: a folder is sorted by class, so its first images show few classes. */
export function spread(size: number, limit?: number): number[] {
  if (limit !== undefined) count('limit', limit)
  if (limit === undefined || limit >= size) return Array.from({ length: size }, (_, i) => i)
  return Array.from({ length: limit }, (_, i) => Math.floor((i * size) / limit))
}

/** @throws `ERR_INVALID_ARGUMENT` where a value is no dataset */
export function expectDataset(name: string, value: unknown): asserts value is Dataset {
  const { size, labels, classes, load } = (value ?? {}) as Partial<Dataset>
  const fits = typeof size === 'number' && ArrayBuffer.isView(labels) && Array.isArray(classes)
  if (!fits || typeof load !== 'function') refuseArgument('a dataset', name, value)
}
