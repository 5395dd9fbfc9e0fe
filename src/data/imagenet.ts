import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { clipped, SosError } from '../torch/errors.js'
import { readClasses } from './classes.js'
import type { Dataset } from './dataset.js'
import { type ImageOptions, imageFiles } from './image-files.js'
import { classFolders, filesOfClasses, imagesIn } from './image-folder.js'
import { type ImageLabels, labelsFromCsv, labelsFromGroundTruth, linesOf } from './image-labels.js'
import type { Preprocess } from './preprocess.js'

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
  const named = (await readClasses(folder, root)) ?? (await readSynsetMapping(root))
  const folders = await classFolders(folder)
  if (folders.length > 0 && labels === undefined) {
    const classes = named ?? folders
    return imageFiles({ name, ...(await filesOfClasses(folder, folders, classes)), classes }, recipe, options)
  }
  const files = imagesIn(await readdir(folder))
  const source = await readLabels(labels ?? findLabels(root), files)
  const classes =
    named ?? source.classes ?? [...new Set(files.flatMap((file) => source.labelOf(file) ?? []))].sort()
  const paths = files.map((file) => join(folder, file))
  return imageFiles({ name, paths, labels: placesOf(files, source, classes, root), classes }, recipe, options)
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
  return /\.csv$/i.test(path) ? labelsFromCsv(path) : labelsFromGroundTruth(path, files)
}

/** The classes' places, from the labels' names; a label that is no class's name may be its place. */
function placesOf(
  files: readonly string[],
  { path, labelOf }: ImageLabels,
  classes: readonly string[],
  root: string,
): number[] {
  const places = new Map(classes.map((name, i) => [name, i]))
  return files.map((file) => {
    const label = labelOf(file)
    if (label === undefined) throw new SosError('ERR_DATASET', `${path}: there is no label for ${file}`)
    const place = places.get(label) ?? (/^\d+$/.test(label) ? Number(label) : classes.length)
    if (place < classes.length) return place
    throw new SosError(
      'ERR_DATASET',
      `${path}: the label of ${file} is '${clipped(label)}' but none of the ${classes.length} classes has this name; a classes.txt in ${root} lists them`,
    )
  })
}

/** Kaggle's list of the synsets in their order, each before its words; null where there is none. */
async function readSynsetMapping(root: string): Promise<string[] | null> {
  const path = join(root, 'LOC_synset_mapping.txt')
  if (!existsSync(path)) return null
  return (await linesOf(path)).filter((line) => line !== '').map((line) => line.split(' ')[0]!)
}
