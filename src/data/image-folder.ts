import { extname, join, resolve } from 'node:path'
import { SosError } from '../base/index.js'

import { placesAmong, shown } from './class-names.js'
import { readClasses } from './classes.js'
import type { Dataset } from './dataset.js'
import { type ImageFiles, type ImageOptions, imageFiles } from './image-files.js'
import { list, walk } from './listing.js'
import type { Preprocess } from './preprocess.js'
import { annotatedImages } from './tiny-imagenet.js'

/**
 * Images in one folder for each class, and in folders in these, as torchvision's ImageFolder reads them, in its order. A
 * `classes.txt` in the root or its parent gives the classes in the order of the model's outputs; without one, the
 * folders' names sorted by code point do. `datasetFor` finds them among the classes that a model tells.
 *
 * Hidden files and folders are left out, and what systems put there (`__MACOSX`, `@eaDir`). Tiny-ImageNet's `val`, whose images lie
 * side by side in `images`, is labelled by its `val_annotations.txt`; the dataset's name says so.
 *
 * @throws `ERR_DATASET`, also where a folder has no image, as in torchvision; a corrupt image is refused with `ERR_IMAGE`, which
 *   names it, when it is loaded
 */
export async function imageFolder(
  root: string,
  recipe: Preprocess,
  options: ImageOptions = {},
): Promise<Dataset> {
  const name = `imagefolder:${root}`
  const annotated = await annotatedImages(root, name)
  if (annotated !== null) return imageFiles(annotated, recipe, options)
  const { folders } = await list(root)
  if (folders.length === 0) {
    throw new SosError('ERR_DATASET', `${root}: expected one folder for each class but there is none`)
  }
  const named = await readClasses(root, resolve(root, '..'))
  return imageFiles({ name, ...(await filesOfClasses(root, folders, named)) }, recipe, options)
}

/**
 * The images in each class's folder. Throws `ERR_DATASET` for a folder that is no class, or has no image.
 *
 * @param root the folder of the folders
 * @param named the classes in their order; null for the folders in theirs
 */
export async function filesOfClasses(
  root: string,
  folders: readonly string[],
  named: readonly string[] | null,
): Promise<Omit<ImageFiles, 'name'>> {
  const classes = named ?? folders
  const places = placesOf(root, folders, classes)
  const paths: string[] = []
  const labels: number[] = []
  const without: string[] = []
  const foreign: string[] = []
  for (const [i, folder] of folders.entries()) {
    const found = await walk(join(root, folder))
    if (found.images.length === 0) without.push(folder)
    for (const file of found.images) {
      paths.push(join(root, folder, file))
      labels.push(places[i]!)
    }
    foreign.push(...found.foreign.map((file) => join(root, folder, file)))
  }
  if (without.length > 0) {
    const why = foreign.length > 0 ? `; ${kinds(foreign)} are not read` : ''
    throw new SosError(
      'ERR_DATASET',
      `${root}: expected images in the folder of each class but there is none in ${shown(without)}${why}; torchvision refuses such a folder too: fill it, or remove it`,
    )
  }
  if (foreign.length > 0) {
    process.emitWarning(
      `${root}: ${foreign.length} files are left out, as ${foreign[0]}: ${kinds(foreign)} are not read; save them as JPEG or PNG under these endings`,
      { code: 'SOS_FILES_LEFT_OUT' },
    )
  }
  return { paths, labels, classes }
}

function kinds(files: readonly string[]): string {
  return `files that end in ${shown([...new Set(files.map((file) => extname(file).toLowerCase()))])}`
}

/** The place of each folder among the classes. */
function placesOf(root: string, folders: readonly string[], classes: readonly string[]): number[] {
  const found = folders.map(placesAmong(classes))
  const unknown = folders.filter((_, i) => found[i]!.length === 0)
  if (unknown.length > 0) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: classes.txt does not name the folder(s) ${shown(unknown, 5)} among its ${classes.length} classes`,
    )
  }
  const taken = new Map<number, string>()
  for (const [i, folder] of folders.entries()) {
    const [place, second] = found[i]!
    if (second !== undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${root}: the folder ${folder} could be class ${place} or ${second}, which have one name; give each class a name and a folder of its own`,
      )
    }
    if (taken.has(place!)) {
      throw new SosError(
        'ERR_DATASET',
        `${root}: the folders ${taken.get(place!)} and ${folder} are one name, written in two ways; expected one for each class`,
      )
    }
    taken.set(place!, folder)
  }
  return found.map(([place]) => place!)
}
