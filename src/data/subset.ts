import { expectList, SosError } from '../base/index.js'
import { checkIndices, type Dataset, expectDataset, type LoadedImages } from './dataset.js'
import { loadPixels, loadSamples } from './load-samples.js'

/**
 * Makes a dataset of some samples of another.
 *
 * @param dataset the dataset
 * @param indices its samples, in their new order: sample i of the result is the sample `indices[i]` of `dataset`
 * @returns the dataset of these samples. Its `load` throws `ERR_DATASET` if `dataset` neither loads nor skips a sample
 * @throws `ERR_INDICES` if there are no indices or one is not a sample of the dataset, `ERR_INVALID_ARGUMENT`
 * @example
 * const few = subset(train, [2, 3, 5])
 * console.log(few.size, few.labels[0] === train.labels[2]) // → 3 true
 */
export function subset(dataset: Dataset, indices: readonly number[]): Dataset {
  expectList('indices', indices)
  expectDataset('dataset', dataset)
  if (indices.length === 0) {
    throw new SosError('ERR_INDICES', `expected at least one sample of ${dataset.name} but received none`)
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
    load: part((asked) => loadSamples(dataset, asked)),
    ...(pixels && { pixels: { ...pixels, load: part((asked) => loadPixels({ name, pixels }, asked)) } }),
  }
}

/** What was loaded, with the indices of the subset. A sample may be asked for twice, so that only the order says which one it is. */
function renumbered(
  { images, skipped }: LoadedImages,
  places: readonly number[],
  asked: readonly number[],
): LoadedImages {
  const missing = new Map(skipped.map((image) => [image.index, image]))
  return {
    images,
    indices: places.filter((_, i) => !missing.has(asked[i]!)),
    skipped: places.flatMap((place, i) => {
      const image = missing.get(asked[i]!)
      return image === undefined ? [] : [{ ...image, index: place }]
    }),
  }
}
