import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SosError } from '../base/index.js'

import { readClasses } from './class-names.js'
import { labelsFromCsv } from './csv-labels.js'
import type { Dataset } from './dataset.js'
import { type ImageOptions, imageFiles } from './image-files.js'
import { filesOfClasses } from './image-folder.js'
import { type ImageLabels, labelsFromGroundTruth, linesOf, placesOf } from './image-labels.js'
import { imagesBelow, listFolder } from './listing.js'
import type { Preprocess } from './preprocess.js'
import { annotatedImages } from './tiny-imagenet.js'

/** Options of {@link imageNet}. */
export interface ImageNetOptions extends ImageOptions {
  /**
   * The file with the labels of images that are all in one folder: a CSV file, or the ground truth of the development kit (.txt). Default: the
   * first of the usual files that exists.
   */
  labels?: string
}

/** The folders under the root in which the images of a split may be: unpacked by hand, named like the archives, or as Kaggle packs them. */
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
 * Opens the ImageNet images of ILSVRC 2012 as they are distributed. `train/` has a folder for each synset, and `val/` may have them too. If the
 * images of `val/` are all in one folder, their labels come from the option `labels`, or from the first of these files under the root:
 * Kaggle's `LOC_val_solution.csv`; `val.csv`, with file and label; the development kit's `ILSVRC2012_validation_ground_truth.txt`, also in
 * `data/` or `ILSVRC2012_devkit_t12/data/`. The last needs `meta.mat` (or `synsets.txt`) beside it, since its ids are not class indices.
 *
 * The classes, in the order of the model's outputs, are those of `classes.txt` in the split or under the root; else those of Kaggle's
 * `LOC_synset_mapping.txt`; else all synsets, sorted, which is the order of torchvision's weights.
 *
 * @param root the folder of the dataset
 * @param split which part of the dataset
 * @param recipe the preprocessing
 * @param options see {@link ImageNetOptions}. Default: the usual files have the labels, and a corrupt image is an error
 * @returns the dataset; its images are read when they are loaded. `load` throws `ERR_IMAGE` for a corrupt image, with its path
 * @throws `ERR_DATASET` if images or labels are missing or do not fit together, `ERR_PREPROCESS`, `ERR_NOT_BUILT` for a decoder that the addon does not have
 * @example
 * ```ts no-run
 * const validation = await imageNet('imagenet', 'val', presets.resnet50!)
 * console.log((await evaluate(model, validation, { limit: 5000 })).top1)
 * ```
 */
export async function imageNet(
  root: string,
  split: 'train' | 'val',
  recipe: Preprocess,
  options: ImageNetOptions = {},
): Promise<Dataset> {
  const { labels, ...imageOptions } = options
  const name = `imagenet:${root}:${split}`
  const folder = findFolder(root, split)
  const annotated = labels === undefined ? await annotatedImages(folder, name) : null
  if (annotated !== null) return imageFiles(annotated, recipe, imageOptions)
  const named = (await readClasses(folder, root)) ?? (await readSynsetMapping(root))
  const { folders, images } = await listFolder(folder)
  if (labels === undefined && (await liesInFolders(folder, folders, images))) {
    return imageFiles({ name, ...(await filesOfClasses(folder, folders, named)) }, recipe, imageOptions)
  }
  const source = await readLabels(labels ?? findLabels(root), images)
  const classes = named ?? source.classes()
  const paths = images.map((file) => join(folder, file))
  return imageFiles({ name, paths, labels: placesOf(images, source, classes), classes }, recipe, imageOptions)
}

/** Whether the images of a split are in folders of their classes. Throws `ERR_DATASET` if only some of them are. */
async function liesInFolders(
  folder: string,
  folders: readonly string[],
  images: readonly string[],
): Promise<boolean> {
  if (images.length === 0 || folders.length === 0) return folders.length > 0
  for (const one of folders) {
    if ((await imagesBelow(join(folder, one))).images.length === 0) continue
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected all images in folders of their classes, or all in this folder, but there are both: ${images[0]}, and others in ${one}`,
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
    `${root}: expected a folder with the split ${split} but there is no ${folders.join(', no ')}`,
  )
}

function findLabels(root: string): string {
  const found = labelFiles.map((file) => join(root, file)).find((file) => existsSync(file))
  if (found !== undefined) return found
  throw new SosError(
    'ERR_DATASET',
    `${root}: expected a file with the labels, since the images are not in folders of their classes, but there is none of ${labelFiles.join(', ')}`,
  )
}

function readLabels(path: string, files: readonly string[]): Promise<ImageLabels> {
  return /\.csv$/i.test(path) ? labelsFromCsv(path, files) : labelsFromGroundTruth(path, files)
}

/** The synsets in Kaggle's list, in its order. A line has a synset and its words. Null if there is no such file. */
async function readSynsetMapping(root: string): Promise<string[] | null> {
  const path = join(root, 'LOC_synset_mapping.txt')
  if (!existsSync(path)) return null
  return (await linesOf(path)).filter((line) => line !== '').map((line) => line.split(' ')[0]!)
}
