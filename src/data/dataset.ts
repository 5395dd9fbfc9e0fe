import { count, expectList, refuseArgument, SosError, shown } from '../base/index.js'
import type { Tensor } from '../torch/index.js'

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
  if (typeof value !== 'object' || value === null) refuseArgument('a dataset', name, value)
  const { size, labels, classes, load } = value as Partial<Dataset>
  const refuse = (part: string, came: unknown): never => refuseArgument(`a dataset with ${part}`, name, came)
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1) refuse('a size of at least 1', size)
  if (!(labels instanceof Int32Array)) return refuse('labels in an Int32Array', labels)
  if (labels.length !== size) refuse(`${size} labels, one for each sample,`, labels.length)
  if (!Array.isArray(classes)) refuse('an array of the names of its classes', classes)
  if (typeof load !== 'function') refuse('a function load', load)
}
