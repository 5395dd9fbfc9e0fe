import { count } from '../base/index.js'
import { type DType, type Tensor, torch } from '../torch/index.js'
import { isFloating } from '../torch/internal.js'
import { checkIndices, type Dataset, type LoadedImages } from './dataset.js'
import { loadSamples } from './load-samples.js'
import { readAhead } from './read-ahead.js'

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
 * @throws `ERR_INDICES` if an index is not one of the dataset, `ERR_DATASET` if its `load` neither loads nor skips a sample,
 *   `ERR_INVALID_ARGUMENT`, and whatever `load` throws
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
    return start < indices.length ? loadSamples(dataset, indices.slice(start, start + batchSize)) : null
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
