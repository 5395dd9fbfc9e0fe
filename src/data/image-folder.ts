import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import { readClasses } from './classes.js'
import type { Dataset } from './dataset.js'
import { decodeImage } from './image.js'
import { type Preprocess, preprocess } from './preprocess.js'

const extensions = /\.(jpe?g|png|webp|bmp|gif|tiff?)$/i

/**
 * Images in one folder for each class, as torchvision's ImageFolder reads them. A `classes.txt` in the root or its parent
 * gives the classes in the order of the model's outputs; without one, the folders' names sorted by code point do.
 *
 * @throws `ERR_DATASET`; a damaged image is refused with `ERR_IMAGE` when it is loaded
 */
export async function imageFolder(root: string, recipe: Preprocess): Promise<Dataset> {
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
    async load(indices) {
      const images = await Promise.all(
        indices.map(async (index) => {
          using decoded = await decodeImage(paths[index]!, recipe.channels)
          return { path: paths[index]!, image: preprocess(decoded, recipe) }
        }),
      )
      const expected = images[0]!.image.shape.join('×')
      const other = images.find(({ image }) => image.shape.join('×') !== expected)
      if (other !== undefined) {
        throw new SosError(
          'ERR_DATASET',
          `${other.path}: expected images of one size after preprocessing (${expected}) but this one is ${other.image.shape.join('×')}; the preprocessing needs a crop`,
        )
      }
      const batch = torch.cat(images.map(({ image }) => image))
      for (const { image } of images) image.dispose()
      return batch
    },
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
