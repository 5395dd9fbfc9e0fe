import { SosError, shown } from '../base/index.js'
import { Tensor } from '../torch/index.js'
import type { Dataset, LoadedImages } from './dataset.js'

/**
 * Loads samples of a dataset. Datasets can come from outside of this package, so what `load` returns is checked: otherwise images
 * would be compared with the labels of other images.
 *
 * @throws `ERR_DATASET` if not each sample is loaded, in its order, or skipped; and whatever `load` throws
 */
export async function loadSamples(dataset: Dataset, indices: readonly number[]): Promise<LoadedImages> {
  return checked(await dataset.load(indices), dataset.name, 'load', indices)
}

/** {@link loadSamples} for the pixels of a dataset, which must be uint8. */
export async function loadPixels(
  { name, pixels }: Pick<Dataset, 'name'> & Required<Pick<Dataset, 'pixels'>>,
  indices: readonly number[],
): Promise<LoadedImages> {
  const loaded = checked(await pixels.load(indices), name, 'pixels.load', indices)
  const { dtype } = loaded.images
  if (dtype === 'uint8' || loaded.indices.length === 0) return loaded
  throw new SosError(
    'ERR_DATASET',
    `${name}: expected pixels.load to return images uint8 but they are ${dtype}`,
  )
}

function checked(
  loaded: Partial<LoadedImages> | undefined,
  name: string,
  method: string,
  asked: readonly number[],
): LoadedImages {
  const { images, indices, skipped } = loaded ?? {}
  if (!(images instanceof Tensor) || !Array.isArray(indices) || !Array.isArray(skipped)) {
    throw new SosError(
      'ERR_DATASET',
      `${name}: expected ${method} to return { images, indices, skipped }, a tensor and two arrays, but it returned ${described(loaded)}`,
    )
  }
  const left = new Set(skipped.map(({ index }) => index))
  const expected = asked.filter((index) => !left.has(index))
  const wrong = expected.findIndex((index, i) => indices[i] !== index)
  if (wrong !== -1 || indices.length !== expected.length) {
    const place = wrong === -1 ? expected.length : wrong
    throw new SosError(
      'ERR_DATASET',
      `${name}: expected ${method} to return each of the ${asked.length} samples that it was asked for, in their order, or to list it in skipped, but its indices [${place}] is ${shown(indices[place])} and not ${shown(expected[place])}`,
    )
  }
  if ((images.shape[0] ?? 0) !== indices.length) {
    throw new SosError(
      'ERR_DATASET',
      `${name}: expected ${method} to return an image for each of its ${indices.length} indices but its images are [${images.shape.join(', ')}]`,
    )
  }
  return { images, indices, skipped }
}

/** As `{ images: an array, indices: an array, skipped: undefined }`. */
function described(loaded: Partial<LoadedImages> | undefined): string {
  if (typeof loaded !== 'object' || loaded === null || loaded instanceof Tensor) return shown(loaded)
  const { images, indices, skipped } = loaded
  return `{ images: ${shown(images)}, indices: ${shown(indices)}, skipped: ${shown(skipped)} }`
}
