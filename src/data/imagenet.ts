import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SosError } from '../base/index.js'

import { readClasses } from './classes.js'
import { labelsFromCsv } from './csv-labels.js'
import type { Dataset } from './dataset.js'
import { type ImageOptions, imageFiles } from './image-files.js'
import { filesOfClasses } from './image-folder.js'
import { type ImageLabels, labelsFromGroundTruth, linesOf, placesOf } from './image-labels.js'
import { list, walk } from './listing.js'
import type { Preprocess } from './preprocess.js'
import { annotatedImages } from './tiny-imagenet.js'

export interface ImageNetOptions extends ImageOptions {
  /** The labels of images that lie side by side: a CSV file, or the devkit's ground truth (.txt). Default: sought. */
  labels?: string
}

/** Where a split's images lie under the root: unpacked by hand, by the archives' names, and from Kaggle. */
const imageFolders = (split: string) => [split, `ILSVRC2012_img_${split}`, `ILSVRC/Data/CLS-LOC/${split}`]
const groundTruth = 'ILSVRC2012_validation_ground_truth.txt'
const labelFiles = [
  'LOC_val_solution.csv',
  'val.csv',
  groundTruth,
  `data/${groundTruth}`,
  `ILSVRC2012_devkit_t12/data/${groundTruth}`,
]

/**
 * ImageNet's images of ILSVRC 2012 as they are distributed. `train/` has a folder for each synset. So may `val/`; where
 * its images lie side by side, their labels come from `labels`, or the first of these under the root: Kaggle's
 * `LOC_val_solution.csv`; `val.csv`, of file and label; the devkit's `ILSVRC2012_validation_ground_truth.txt`, in
 * `data/` or `ILSVRC2012_devkit_t12/data/` too, with `meta.mat` (or `synsets.txt`) beside it, since its ids are not class
 * indices.
 *
 * The classes in the order of the model's outputs are those of `classes.txt` in the split or under the root, else of
 * Kaggle's `LOC_synset_mapping.txt`, else all synsets in their order, which is that of torchvision's weights.
 *
 * @throws `ERR_DATASET`; a corrupt image is refused with `ERR_IMAGE`, which names it, when it is loaded
 */
export async function imageNet(
  root: string,
  split: 'train' | 'val',
  recipe: Preprocess,
  { labels, ...options }: ImageNetOptions = {},
): Promise<Dataset> {
  const name = `imagenet:${root}:${split}`
  const folder = findFolder(root, split)
  const annotated = labels === undefined ? await annotatedImages(folder, name) : null
  if (annotated !== null) return imageFiles(annotated, recipe, options)
  const named = (await readClasses(folder, root)) ?? (await readSynsetMapping(root))
  const { folders, images } = await list(folder)
  if (labels === undefined && (await liesInFolders(folder, folders, images))) {
    return imageFiles({ name, ...(await filesOfClasses(folder, folders, named)) }, recipe, options)
  }
  const source = await readLabels(labels ?? findLabels(root), images)
  const classes = named ?? source.classes()
  const paths = images.map((file) => join(folder, file))
  return imageFiles({ name, paths, labels: placesOf(images, source, classes), classes }, recipe, options)
}

/** Whether a split's images lie in folders of their classes, not side by side. Throws `ERR_DATASET` where some do. */
async function liesInFolders(
  folder: string,
  folders: readonly string[],
  images: readonly string[],
): Promise<boolean> {
  if (images.length === 0 || folders.length === 0) return folders.length > 0
  for (const one of folders) {
    if ((await walk(join(folder, one))).images.length === 0) continue
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected images in folders of their classes, or side by side, but there are both: ${images[0]}, and others in ${one}`,
    )
  }
  return false
}

function findFolder(root: string, split: string): string {
  const folders = imageFolders(split).map((folder) => join(root, folder))
  const found = folders.find((folder) => existsSync(folder))
  if (found !== undefined) return found
  throw new SosError(
    'ERR_DATASET',
    `${root}: expected the folder ${split} there but there is no ${folders.join(', no ')}`,
  )
}

function findLabels(root: string): string {
  const found = labelFiles.map((file) => join(root, file)).find((file) => existsSync(file))
  if (found !== undefined) return found
  throw new SosError(
    'ERR_DATASET',
    `${root}: its images lie in no folders of their classes; expected their labels in one of ${labelFiles.join(', ')}`,
  )
}

function readLabels(path: string, files: readonly string[]): Promise<ImageLabels> {
  return /\.csv$/i.test(path) ? labelsFromCsv(path, files) : labelsFromGroundTruth(path, files)
}

/** Kaggle's list of the synsets in their order, each before its words; null where there is none. */
async function readSynsetMapping(root: string): Promise<string[] | null> {
  const path = join(root, 'LOC_synset_mapping.txt')
  if (!existsSync(path)) return null
  return (await linesOf(path)).filter((line) => line !== '').map((line) => line.split(' ')[0]!)
}
