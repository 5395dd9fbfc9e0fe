import { extname, join, resolve } from 'node:path'
import { SosError } from '../base/index.js'
import { readClasses } from './class-names.js'
import { firstNames, placesAmong } from './class-outputs.js'
import type { Dataset } from './dataset.js'
import { type ImageFiles, type ImageOptions, imageFiles } from './image-files.js'
import { imagesBelow, listFolder } from './listing.js'
import type { Preprocess } from './preprocess.js'
import { annotatedImages } from './tiny-imagenet.js'

/**
 * Opens a folder that has one folder of images for each class, as torchvision's ImageFolder does and in its order. The folder of a class may
 * have further folders. The classes are those in `classes.txt` in the root or its parent, in the order of the model's outputs; without such
 * a file they are the names of the folders, sorted by code point. `datasetFor` relabels the dataset by the names of a model's outputs.
 *
 * Hidden files and folders are left out, and so are folders that systems make (`__MACOSX`, `@eaDir`). The images of Tiny-ImageNet's `val`,
 * which are all in the folder `images`, are labelled by its `val_annotations.txt`; the name of the dataset says so.
 *
 * @param root the folder
 * @param recipe the preprocessing
 * @param options see {@link ImageOptions}. Default: a corrupt image is an error
 * @returns the dataset; its images are read when they are loaded. `load` throws `ERR_IMAGE` for a corrupt image, with its path
 * @throws `ERR_DATASET` if there are no images, if a class has none (as in torchvision), or if a folder is not a class; `ERR_PREPROCESS`;
 *   `ERR_NOT_BUILT` for a decoder that the addon does not have
 * @example
 * ```ts no-run
 * const dataset = await imageFolder('imagenet/val', presets.resnet50!, { skipCorrupt: true })
 * console.log(dataset.size, (await evaluate(model, dataset)).top1)
 * ```
 */
export async function imageFolder(
  root: string,
  recipe: Preprocess,
  options: ImageOptions = {},
): Promise<Dataset> {
  const name = `imagefolder:${root}`
  const annotated = await annotatedImages(root, name)
  if (annotated !== null) return imageFiles(annotated, recipe, options)
  const { folders } = await listFolder(root)
  if (folders.length === 0) {
    throw new SosError('ERR_DATASET', `${root}: expected one folder for each class but there are no folders`)
  }
  const named = await readClasses(root, resolve(root, '..'))
  return imageFiles({ name, ...(await filesOfClasses(root, folders, named)) }, recipe, options)
}

/**
 * Lists the images in the folder of each class. Throws `ERR_DATASET` if a folder is not a class or has no image.
 *
 * @param root the folder of these folders
 * @param named the classes in their order; null to take the folders in their order
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
    const found = await imagesBelow(join(root, folder))
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
      `${root}: expected images in the folder of each class but there are none in ${firstNames(without)}${why}; as in torchvision such a folder is refused: fill it, or remove it`,
    )
  }
  if (foreign.length > 0) {
    process.emitWarning(
      `${root}: ${foreign.length} files are left out, such as ${foreign[0]}: ${kinds(foreign)} are not read; save them as JPEG or PNG with a matching name`,
      { code: 'SOS_FILES_LEFT_OUT' },
    )
  }
  return { paths, labels, classes }
}

function kinds(files: readonly string[]): string {
  return `files that end in ${firstNames([...new Set(files.map((file) => extname(file).toLowerCase()))])}`
}

/** The place of each folder among the classes. */
function placesOf(root: string, folders: readonly string[], classes: readonly string[]): number[] {
  const found = folders.map(placesAmong(classes))
  const unknown = folders.filter((_, i) => found[i]!.length === 0)
  if (unknown.length > 0) {
    throw new SosError(
      'ERR_DATASET',
      `${root}: expected folders that are classes but ${firstNames(unknown, 5)} is not among the ${classes.length} classes of classes.txt`,
    )
  }
  const taken = new Map<number, string>()
  for (const [i, folder] of folders.entries()) {
    const [place, second] = found[i]!
    if (second !== undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${root}: the folder ${folder} could be class ${place} or ${second}, which have the same name; give each class a name and a folder of its own`,
      )
    }
    if (taken.has(place!)) {
      throw new SosError(
        'ERR_DATASET',
        `${root}: expected one folder for each class but ${taken.get(place!)} and ${folder} are the same name in two spellings`,
      )
    }
    taken.set(place!, folder)
  }
  return found.map(([place]) => place!)
}
