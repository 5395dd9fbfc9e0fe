import { join, parse } from 'node:path'
import { clipped, SosError } from '../base/index.js'

import { placesAmong } from './class-outputs.js'
import { byCodePoint } from './listing.js'
import { largestMatFile, readMatStructs } from './mat-file.js'
import { readFileUpTo, readLines } from './read-file.js'

/** The labels of image files, by the names of the files. */
export interface ImageLabels {
  /** The file that the labels are from, for messages. */
  readonly path: string
  /** The label of a file; undefined if it has none. */
  labelOf(file: string): string | undefined
  /**
   * All classes among the labels, sorted. If the labels are numbers, these are the numbers from 0 to the largest.
   *
   * @throws `ERR_DATASET` if some labels are numbers and others names, or if a number is not the index of a class
   */
  classes(): readonly string[]
}

/** The index of each file's class, from the labels. A label that is not the name of a class may be its index. Throws `ERR_DATASET`. */
export function placesOf(
  files: readonly string[],
  { path, labelOf }: Pick<ImageLabels, 'path' | 'labelOf'>,
  classes: readonly string[],
): number[] {
  const places = placesAmong(classes)
  return files.map((file) => {
    const label = labelOf(file)
    if (label === undefined)
      throw new SosError(
        'ERR_DATASET',
        `${path}: expected a label for each image but there is none for ${file}`,
      )
    const [place = /^\d+$/.test(label) ? Number(label) : classes.length, second] = places(label)
    if (second !== undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${path}: the label '${clipped(label)}' of ${file} could be class ${place} or ${second}, which have the same name`,
      )
    }
    if (place < classes.length) return place
    throw new SosError(
      'ERR_DATASET',
      `${path}: the label of ${file} is '${clipped(label)}' but none of the ${classes.length} classes has this name${label === String(classes.length) ? ' or index: do the labels begin at 1?' : ''}; list the classes in a classes.txt`,
    )
  })
}

/**
 * Reads labels from the development kit of ILSVRC 2012. Line n of `ILSVRC2012_validation_ground_truth.txt` has the id of image n. The number
 * of an image is in its name, as in `ILSVRC2012_val_00000001.JPEG`; images with other names are numbered in their order, and then all of them
 * must exist. The synset of an id is in `meta.mat` beside the file, or in `synsets.txt` with one synset in each line, that of id 1 first.
 * The ids do not follow the order of the synsets, so they are not class indices.
 *
 * @param files the images of the split, sorted by name
 * @throws `ERR_DATASET`
 */
export async function labelsFromGroundTruth(path: string, files: readonly string[]): Promise<ImageLabels> {
  const ids = await linesOf(path)
  const synsets = await synsetsOf(parse(path).dir)
  const ofLine = ids.map((id, i) => {
    const synset = /^\d+$/.test(id) ? synsets.get(Number(id)) : undefined
    if (synset !== undefined) return synset
    throw new SosError(
      'ERR_DATASET',
      `${path}: line ${i + 1}: expected an id from 1 to ${synsets.size} but it is ${clipped(id) || 'empty'}`,
    )
  })
  const numbers = files.map((file) => Number(/^ILSVRC2012_val_(\d{8})\./.exec(file)?.[1] ?? Number.NaN))
  const numbered = files.length > 0 && !numbers.some(Number.isNaN)
  if (!numbered && ids.length !== files.length) {
    throw new SosError(
      'ERR_DATASET',
      `${path}: expected one label for each image but there are ${ids.length} labels and ${files.length} images; if this is a part of the images, their names must have their numbers, as in ILSVRC2012_val_00000001.JPEG`,
    )
  }
  const labels = new Map(files.map((file, i) => [file, ofLine[numbered ? numbers[i]! - 1 : i]]))
  const classes = () => [...synsets.values()].sort(byCodePoint)
  return { path, classes, labelOf: (file) => labels.get(file) }
}

/** The synset of each id. Synsets with children are inner nodes of ImageNet, which no image has as its label. */
async function synsetsOf(devkit: string): Promise<Map<number, string>> {
  const path = join(devkit, 'meta.mat')
  const bytes = await readFileUpTo(path, largestMatFile)
  if (bytes === null) {
    const list = join(devkit, 'synsets.txt')
    const synsets = (await linesOf(list)).map((line) => line.split(' ', 1)[0]!.split('\t', 1)[0]!)
    if (synsets.includes('') || new Set(synsets).size < synsets.length) {
      throw new SosError(
        'ERR_DATASET',
        `${list}: expected a different synset in each line but a line is empty or repeated`,
      )
    }
    return new Map(synsets.map((synset, i) => [i + 1, synset]))
  }
  const synsets = new Map<number, string>()
  for (const { ILSVRC2012_ID: id, WNID: synset, num_children: children } of readMatStructs(
    path,
    bytes,
    'synsets',
  )) {
    if (typeof id === 'number' && typeof synset === 'string' && children === 0) synsets.set(id, synset)
  }
  if (synsets.size > 0) return synsets
  throw new SosError(
    'ERR_DATASET',
    `${path}: expected synsets with ILSVRC2012_ID, WNID and num_children but there are none`,
  )
}

/** The lines of a text file, trimmed. Throws `ERR_DATASET`. */
export async function linesOf(path: string): Promise<string[]> {
  const lines = await readLines(path)
  if (lines !== null) return lines
  throw new SosError('ERR_DATASET', `${path}: expected a text file but there is no such file`)
}
