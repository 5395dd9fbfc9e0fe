import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import type { Tensor } from '../torch/tensor.js'
import { readClasses } from './classes.js'
import type { Dataset, LoadedImages, SkippedImage } from './dataset.js'
import { decodeImage } from './image.js'
import { type Preprocess, preprocess } from './preprocess.js'

const extensions = /\.(jpe?g|png|webp|bmp|gif|tiff?)$/i

export interface ImageOptions {
  /** Leaves corrupt files out, and tells of them in `skipped`, instead of failing. Default: false. */
  skipCorrupt?: boolean
}

/**
 * Images in one folder for each class, as torchvision's ImageFolder reads them. A `classes.txt` in the root or its parent
 * gives the classes in the order of the model's outputs; without one, the folders' names sorted by code point do.
 *
 * @throws `ERR_DATASET`; a corrupt image is refused with `ERR_IMAGE`, which names it, when it is loaded
 */
export async function imageFolder(
  root: string,
  recipe: Preprocess,
  { skipCorrupt = false }: ImageOptions = {},
): Promise<Dataset> {
  const folders = await classFolders(root)
  const classes = (await readClasses(root, resolve(root, '..'))) ?? folders
  const unknown = folders.filter((folder) => !classes.includes(folder))
  if (unknown.length > 0) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: classes.txt does not name the folder(s) ${unknown.slice(0, 5).join(', ')}`,
    )
  }
  const paths: string[] = []
  const labels: number[] = []
  for (const folder of folders) {
    const files = await readdir(join(root, folder), { recursive: true })
    const label = classes.indexOf(folder)
    for (const file of files.filter((name) => extensions.test(name)).sort()) {
      paths.push(join(root, folder, file))
      labels.push(label)
    }
  }
  if (paths.length === 0)
    throw new SosError('ERR_DATASET', `${root}: expected images in its folders but there is none`)
  return {
    name: `imagefolder:${root}`,
    size: paths.length,
    classes,
    labels: Int32Array.from(labels),
    load: (indices) => loadImages(paths, indices, recipe, skipCorrupt),
  }
}

async function loadImages(
  paths: readonly string[],
  indices: readonly number[],
  recipe: Preprocess,
  skipCorrupt: boolean,
): Promise<LoadedImages> {
  const results = await Promise.allSettled(
    indices.map(async (index) => {
      using decoded = await decodeImage(paths[index]!, recipe.channels)
      return preprocess(decoded, recipe)
    }),
  )
  const images: Tensor[] = []
  const loaded: number[] = []
  const skipped: SkippedImage[] = []
  try {
    for (const [i, result] of results.entries()) {
      const index = indices[i]!
      const path = paths[index]!
      if (result.status === 'rejected') {
        const { code, message } = result.reason
        if (!skipCorrupt || code !== 'ERR_IMAGE') throw result.reason
        skipped.push({ index, path, reason: message })
        continue
      }
      const expected = (images[0] ?? result.value).shape.join('×')
      const shape = result.value.shape.join('×')
      if (shape !== expected) {
        throw new SosError(
          'ERR_DATASET',
          `${path}: expected images of one size after preprocessing (${expected}) but this one is ${shape}; the preprocessing needs a crop`,
        )
      }
      images.push(result.value)
      loaded.push(index)
    }
    return {
      images: images.length === 0 ? torch.empty([0]) : torch.cat(images),
      indices: loaded,
      skipped,
    }
  } finally {
    for (const result of results) if (result.status === 'fulfilled') result.value.dispose()
  }
}

async function classFolders(root: string): Promise<string[]> {
  let entries: string[]
  try {
    entries = (await readdir(root, { withFileTypes: true }))
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
  } catch (cause) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: expected a folder with one folder for each class but ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
  if (entries.length === 0) {
    throw new SosError('ERR_DATASET', `${root}: expected one folder for each class but there is none`)
  }
  return entries.sort()
}
