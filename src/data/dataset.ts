import { torch } from '../torch/ops.js'
import type { Tensor } from '../torch/tensor.js'

/** Labelled images, of which the labels are known without decoding any. */
export interface Dataset {
  /** For messages: how a person would name it. */
  readonly name: string
  readonly size: number
  /** Class names in the order of their indices. */
  readonly classes: readonly string[]
  /** The class index of each sample, [size]. */
  readonly labels: Int32Array
  /** The preprocessed images at `indices`: float32 [indices.length, C, H, W] on the CPU. */
  load(indices: readonly number[]): Promise<Tensor>
}

export interface Progress {
  readonly done: number
  readonly total: number
}

/** What everything that goes through a dataset can be told. */
export interface RunOptions {
  /** Where the model is. Default: cpu. */
  device?: string
  onProgress?: (progress: Progress) => void
  /** Ends the run after the batch at work, with the signal's reason. */
  signal?: AbortSignal
}

export interface Batch {
  readonly indices: readonly number[]
  /** float32 [n, C, H, W] */
  readonly images: Tensor
  /** int64 [n] */
  readonly labels: Tensor
}

/**
 * Goes through the samples at `indices`, `batchSize` at a time; the next batch is loaded while the caller works on this
 * one. A batch is freed when the next is asked for.
 */
export async function* batches(
  dataset: Dataset,
  indices: readonly number[],
  batchSize: number,
  device = 'cpu',
): AsyncGenerator<Batch> {
  const loadAt = (start: number) => {
    const part = indices.slice(start, start + batchSize)
    const work = dataset.load(part)
    work.catch(() => {}) // it is awaited below, perhaps later than it fails
    return { part, work }
  }
  let next = loadAt(0)
  for (let start = 0; start < indices.length; start += batchSize) {
    const { part, work } = next
    const loaded = await work
    if (start + batchSize < indices.length) next = loadAt(start + batchSize)
    const images = device === 'cpu' ? loaded : loaded.to({ device })
    const labels = torch.tensor(
      part.map((i) => dataset.labels[i]!),
      { dtype: 'int64', device },
    )
    try {
      yield { indices: part, images, labels }
    } finally {
      for (const tensor of new Set([loaded, images, labels])) tensor.dispose()
    }
  }
}

/** All indices, or `limit` of them spread evenly: a folder is sorted by class, so its first images show few classes. */
export function spread(size: number, limit?: number): number[] {
  if (limit === undefined || limit >= size) return Array.from({ length: size }, (_, i) => i)
  return Array.from({ length: limit }, (_, i) => Math.floor((i * size) / limit))
}
