import { availableParallelism } from 'node:os'
import { SosError } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'

import type { Dataset, LoadedImages, SkippedImage } from './dataset.js'
import { decodeImage, loadImage } from './decode-image.js'
import { type Decoder, decoderOfJpeg } from './decoder.js'
import { type Preprocess, preprocess, toBytes, unscaled } from './preprocess.js'
import { checkedPreprocess } from './preprocess-schema.js'

/** How many images of a batch are worked on at a time: one for each core, and one that waits. More would only compete for the caches. */
const atOnce = availableParallelism() + 1

/** Options of datasets of image files. */
export interface ImageOptions {
  /** Whether to leave corrupt files out, and list them in `skipped`, instead of failing. Default: false. */
  skipCorrupt?: boolean
  /** What decodes JPEG. `ERR_NOT_BUILT` for libturbojpeg if the addon was built without it. Default: libturbojpeg if the addon has it, else sharp. */
  decoder?: Decoder
}

/** Image files with the class of each, and the names of the classes. */
export interface ImageFiles {
  /** The name of the dataset, for messages. */
  name: string
  paths: readonly string[]
  labels: readonly number[]
  classes: readonly string[]
}

/**
 * Makes a dataset of image files. Throws `ERR_DATASET` if there are none, `ERR_PREPROCESS` for an invalid recipe, `ERR_NOT_BUILT` for a
 * decoder that the addon does not have.
 */
export function imageFiles(
  { name, paths, labels, classes }: ImageFiles,
  asked: Preprocess,
  { skipCorrupt = false, decoder: askedDecoder }: ImageOptions,
): Dataset {
  const recipe = checkedPreprocess(asked)
  const options = { skipCorrupt, decoder: decoderOfJpeg(askedDecoder) }
  if (paths.length === 0) throw new SosError('ERR_DATASET', `${name}: expected images but there are none`)
  return {
    name,
    size: paths.length,
    classes,
    labels: Int32Array.from(labels),
    load: (indices) => loadFiles(paths, indices, recipe, options),
    pixels: {
      mean: recipe.mean,
      std: recipe.std,
      async load(indices) {
        const { images, ...which } = await loadFiles(paths, indices, unscaled(recipe), options)
        using values = images
        return { images: scope(() => toBytes(values)), ...which }
      },
    },
  }
}

async function loadFiles(
  paths: readonly string[],
  indices: readonly number[],
  recipe: Preprocess,
  { skipCorrupt, decoder }: Required<ImageOptions>,
): Promise<LoadedImages> {
  const { channels, crop } = recipe
  return scope(async () => {
    // If all images get one size, each is written directly into its place in the batch.
    const batch = crop === null ? null : torch.empty([indices.length, channels, crop, crop])
    const images: Tensor[] = []
    const skipped: SkippedImage[] = []
    await sideBySide(indices.length, async (position) => {
      const index = indices[position]!
      const path = paths[index]!
      try {
        if (batch !== null) return await loadImage(path, recipe, batch, position, decoder)
        using decoded = await decodeImage(path, channels, decoder)
        images[position] = preprocess(decoded, recipe)
      } catch (error) {
        if (!skipCorrupt || (error as SosError).code !== 'ERR_IMAGE') throw error
        skipped[position] = { index, path, reason: (error as Error).message }
      }
    })
    const there = [...indices.keys()].filter((position) => skipped[position] === undefined)
    const loaded = there.map((position) => indices[position]!)
    const whole = batch ?? joined(images, loaded, paths)
    return {
      images: batch === null || skipped.length === 0 ? whole : rows(batch, there),
      indices: loaded,
      skipped: skipped.filter((one) => one !== undefined),
    }
  })
}

/** Calls `body` for 0 to `count` − 1, some at a time, and waits for all. After a failure, which it throws, it begins no more. */
async function sideBySide(count: number, body: (position: number) => Promise<void>): Promise<void> {
  let next = 0
  const inTurn = async (): Promise<void> => {
    try {
      while (next < count) await body(next++)
    } catch (error) {
      next = count
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, inTurn))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** Some images of a batch; [0] for none. */
function rows(batch: Tensor, places: readonly number[]): Tensor {
  if (places.length === 0) return torch.empty([0])
  return batch.index_select(0, torch.tensor([...places], { dtype: 'int64' }))
}

/** The images that were loaded separately, as one batch; [0] for none. */
function joined(sparse: readonly Tensor[], indices: readonly number[], paths: readonly string[]): Tensor {
  const images = sparse.filter((image) => image !== undefined)
  if (images.length === 0) return torch.empty([0])
  const size = (image: Tensor) => image.shape.slice(1).join('×')
  const expected = size(images[0]!)
  const other = images.findIndex((image) => size(image) !== expected)
  if (other < 0) return torch.cat(images)
  throw new SosError(
    'ERR_DATASET',
    `${paths[indices[other]!]}: expected images of one size after preprocessing (${expected}) but this one is ${size(images[other]!)}; the preprocessing needs a crop`,
  )
}
