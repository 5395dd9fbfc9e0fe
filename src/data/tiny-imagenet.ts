import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { clipped, SosError } from '../base/index.js'
import { readClasses } from './class-names.js'
import { comparable } from './class-outputs.js'
import type { ImageFiles } from './image-files.js'
import { placesOf } from './image-labels.js'
import { byCodePoint, listFolder } from './listing.js'
import { readLines } from './read-file.js'

const annotations = 'val_annotations.txt'

/**
 * Lists the validation images of Tiny-ImageNet. They are all in `val/images`, and `val/val_annotations.txt` has a line for each: its file, its
 * synset and a box, separated by tabs. The classes are those of `classes.txt` in `val` or beside it; else all synsets of `wnids.txt` beside
 * it, or of the annotations, sorted as the folders of `train` are.
 *
 * @param root `val`, or `val/images`
 * @param name the name of the dataset; the source of the labels is added to it
 * @returns null if `root` is something else, for example a `val` that was sorted into folders
 * @throws `ERR_DATASET` if a line is malformed or an image has no line
 */
export async function annotatedImages(root: string, name: string): Promise<ImageFiles | null> {
  const absolute = resolve(root)
  const val = [absolute, ...(basename(absolute) === 'images' ? [dirname(absolute)] : [])].find((folder) =>
    existsSync(join(folder, annotations)),
  )
  if (val === undefined) return null
  const { folders } = await listFolder(val)
  const images = join(val, 'images')
  if (folders.length !== 1 || folders[0] !== 'images' || (await listFolder(images)).folders.length > 0)
    return null
  const path = join(val, annotations)
  const synsets = await synsetsOfFiles(path)
  const files = (await listFolder(images)).images
  const above = dirname(val)
  const classes =
    (await readClasses(val, above)) ??
    (await readSynsets(join(above, 'wnids.txt'), synsets)) ??
    distinct(synsets)
  const source = { path, labelOf: (file: string) => synsets.get(comparable(file)) }
  return {
    name: `${name} (labels of ${annotations})`,
    paths: files.map((file) => join(images, file)),
    labels: placesOf(files, source, classes),
    classes,
  }
}

async function synsetsOfFiles(path: string): Promise<Map<string, string>> {
  const synsets = new Map<string, string>()
  for (const [i, line] of ((await readLines(path)) ?? []).entries()) {
    const [file = '', synset = ''] = line.split('\t', 2).map(comparable)
    if (file === '' || synset === '' || synsets.has(file)) {
      const why = synsets.has(file) ? `${clipped(file)} occurs twice` : `it is '${clipped(line)}'`
      throw new SosError(
        'ERR_DATASET',
        `${path}: line ${i + 1}: expected a file and its synset, separated by a tab, but ${why}`,
      )
    }
    synsets.set(file, synset)
  }
  return synsets
}

/** The synsets in a file, sorted; null if one of the needed ones is missing. */
async function readSynsets(path: string, needed: ReadonlyMap<string, string>): Promise<string[] | null> {
  const listed = new Set(await readLines(path))
  const all = [...needed.values()].every((synset) => listed.has(synset))
  return all ? [...listed].sort(byCodePoint) : null
}

const distinct = (synsets: ReadonlyMap<string, string>): string[] =>
  [...new Set(synsets.values())].sort(byCodePoint)
