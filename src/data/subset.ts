import { expectList, SosError } from '../base/index.js'
import { checkIndices, type Dataset, expectDataset, type LoadedImages } from './dataset.js'

/**
 * Some samples of a dataset, as a dataset: its sample i is that at `indices[i]`.
 *
 * @throws `ERR_INDICES` for what is no sample of the dataset, or none at all; (`load`) `ERR_DATASET` where the dataset neither loads
 *   nor skips a sample
 */
export function subset(dataset: Dataset, indices: readonly number[]): Dataset {
  expectList('indices', indices)
  expectDataset('dataset', dataset)
  if (indices.length === 0) {
    throw new SosError('ERR_INDICES', `expected samples of ${dataset.name} but received none`)
  }
  checkIndices(dataset, indices)
  const { name, classes, pixels } = dataset
  const part = (load: Dataset['load']) => async (places: readonly number[]) => {
    const asked = places.map((place) => indices[place]!)
    return renumbered(await load(asked), places, asked)
  }
  return {
    name: `${indices.length} of ${name}`,
    size: indices.length,
    classes,
    labels: Int32Array.from(indices, (index) => dataset.labels[index]!),
    load: part((asked) => dataset.load(asked)),
    ...(pixels && { pixels: { ...pixels, load: part((asked) => pixels.load(asked)) } }),
  }
}

/** What was loaded, its samples by their places in the subset. A sample may be asked for twice: the order tells which. */
function renumbered(
  { images, indices, skipped }: LoadedImages,
  places: readonly number[],
  asked: readonly number[],
): LoadedImages {
  const missing = new Map(skipped.map((image) => [image.index, image]))
  const there = places.filter((_, i) => !missing.has(asked[i]!))
  if (there.length !== indices.length) {
    throw new SosError(
      'ERR_DATASET',
      `expected each of ${places.length} samples to be loaded or skipped but ${indices.length} were loaded and ${skipped.length} skipped`,
    )
  }
  return {
    images,
    indices: there,
    skipped: places.flatMap((place, i) => {
      const image = missing.get(asked[i]!)
      return image === undefined ? [] : [{ ...image, index: place }]
    }),
  }
}
