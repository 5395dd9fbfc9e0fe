import { type Tensor, torch } from '../torch/index.js'
import type { Dataset } from './dataset.js'
import { type Preprocess, preprocess, preprocessToBytes } from './preprocess.js'
import { checkedPreprocess } from './preprocess-schema.js'

/** Images that are in memory as bytes. */
export interface StoredImages extends Pick<Dataset, 'name' | 'classes' | 'labels'> {
  /** The shape of each image, [C, H, W]. */
  shape: readonly [number, number, number]
  /** The bytes of one image, in the order of its shape. */
  bytesOf(index: number): Uint8Array
}

/** Makes a dataset of images in memory. Throws `ERR_PREPROCESS` for an invalid recipe. */
export function storedImages(
  { name, classes, labels, shape, bytesOf }: StoredImages,
  asked: Preprocess,
): Dataset {
  const recipe = checkedPreprocess(asked)
  const length = shape[0] * shape[1] * shape[2]
  const raw = (indices: readonly number[]): Tensor => {
    const bytes = new Uint8Array(indices.length * length)
    indices.forEach((index, i) => void bytes.set(bytesOf(index), i * length))
    return torch.tensor(bytes, { shape: [indices.length, ...shape] })
  }
  return {
    name,
    size: labels.length,
    classes,
    labels,
    async load(indices) {
      using images = raw(indices)
      return { images: preprocess(images, recipe), indices, skipped: [] }
    },
    pixels: {
      mean: recipe.mean,
      std: recipe.std,
      async load(indices) {
        using images = raw(indices)
        return { images: preprocessToBytes(images, recipe), indices, skipped: [] }
      },
    },
  }
}
