import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

import { SosError } from '../torch/errors.js'
import { readClasses } from './classes.js'
import type { Dataset } from './dataset.js'
import { type ImageOptions, imageFiles } from './image-files.js'
import type { Preprocess } from './preprocess.js'

const extensions = /\.(jpe?g|png|webp|bmp|gif|tiff?)$/i

/**
 * Images in one folder for each class, and in folders in these, as torchvision's ImageFolder reads them, in its order. A
 * `classes.txt` in the root or its parent gives the classes in the order of the model's outputs; without one, the
 * folders' names sorted by code point do.
 *
 * @throws `ERR_DATASET`; a corrupt image is refused with `ERR_IMAGE`, which names it, when it is loaded
 */
export async function imageFolder(
  root: string,
  recipe: Preprocess,
  options: ImageOptions = {},
): Promise<Dataset> {
  const folders = await classFolders(root)
  if (folders.length === 0) {
    throw new SosError('ERR_DATASET', `${root}: expected one folder for each class but there is none`)
  }
  const classes = (await readClasses(root, resolve(root, '..'))) ?? folders
  const files = await filesOfClasses(root, folders, classes)
  return imageFiles({ name: `imagefolder:${root}`, ...files, classes }, recipe, options)
}

/**
 * The images in each class's folder, and the classes' places in `classes`. Throws `ERR_DATASET` for a folder that is no class.
 *
 * @param root the folder of the folders
 */
export async function filesOfClasses(root: string, folders: readonly string[], classes: readonly string[]) {
  const places = new Map(classes.map((name, i) => [name, i]))
  const unknown = folders.filter((folder) => !places.has(folder))
  if (unknown.length > 0) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: classes.txt does not name the folder(s) ${unknown.slice(0, 5).join(', ')}`,
    )
  }
  const paths: string[] = []
  const labels: number[] = []
  for (const folder of folders) {
    for (const file of imagesIn(await readdir(join(root, folder), { recursive: true }))) {
      paths.push(join(root, folder, file))
      labels.push(places.get(folder)!)
    }
  }
  return { paths, labels }
}

/** Those of `files` that are images by their names, folder by folder. */
export function imagesIn(files: readonly string[]): string[] {
  const order = (a: string, b: string) => Number(a > b) - Number(a < b)
  return files
    .filter((file) => extensions.test(file))
    .sort((a, b) => order(dirname(a), dirname(b)) || order(basename(a), basename(b)))
}

/** The folders in `root`, sorted by code point. Throws `ERR_DATASET` where it cannot be read. */
export async function classFolders(root: string): Promise<string[]> {
  try {
    return (await readdir(root, { withFileTypes: true }))
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort()
  } catch (cause) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: expected a folder with one folder for each class but ${(cause as Error).message}`,
      { cause },
    )
  }
}
