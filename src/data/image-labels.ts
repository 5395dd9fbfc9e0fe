import { join, parse } from 'node:path'
import { clipped, SosError } from '../base/index.js'

import { placesAmong } from './class-names.js'
import { byCodePoint } from './listing.js'
import { largestMatFile, readMatStructs } from './mat-file.js'
import { readFileUpTo, readLines } from './read-file.js'

/** The class of each of some files, by its name. */
export interface ImageLabels {
  /** Where they are from, for messages. */
  readonly path: string
  /** Undefined where there is none. */
  labelOf(file: string): string | undefined
  /**
   * All classes that it names, sorted; the numbers from 0 on where its labels are numbers.
   *
   * @throws `ERR_DATASET` where some labels are numbers and others names, or no index of a class
   */
  classes(): readonly string[]
}

/** The classes' places, from the labels' names; a label that is no class's name may be its place. Throws `ERR_DATASET`. */
export function placesOf(
  files: readonly string[],
  { path, labelOf }: Pick<ImageLabels, 'path' | 'labelOf'>,
  classes: readonly string[],
): number[] {
  const places = placesAmong(classes)
  return files.map((file) => {
    const label = labelOf(file)
    if (label === undefined) throw new SosError('ERR_DATASET', `${path}: there is no label for ${file}`)
    const [place = /^\d+$/.test(label) ? Number(label) : classes.length, second] = places(label)
    if (second !== undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${path}: the label '${clipped(label)}' of ${file} could be class ${place} or ${second}, which have one name`,
      )
    }
    if (place < classes.length) return place
    throw new SosError(
      'ERR_DATASET',
      `${path}: the label of ${file} is '${clipped(label)}' but none of the ${classes.length} classes has this name${label === String(classes.length) ? ' or place: do the labels begin at 1?' : ''}; a classes.txt lists them`,
    )
  })
}

/**
 * Labels from the development kit of ILSVRC 2012: line n of `ILSVRC2012_validation_ground_truth.txt` has the id of the image n, as
 * `ILSVRC2012_val_00000001.JPEG` tells its number; other names go by their order, and all must be there. Which synset an id is tells
 * `meta.mat` beside it, or `synsets.txt` with a synset a line: that of id 1 first. The ids are in no order of the synsets, and so
 * are no class indices.
 *
 * @param files images of the split, sorted by name
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
      `${path}: line ${i + 1}: expected an id of 1 to ${synsets.size} but it is ${clipped(id) || 'empty'}`,
    )
  })
  const numbers = files.map((file) => Number(/^ILSVRC2012_val_(\d{8})\./.exec(file)?.[1] ?? Number.NaN))
  const numbered = files.length > 0 && !numbers.some(Number.isNaN)
  if (!numbered && ids.length !== files.length) {
    throw new SosError(
      'ERR_DATASET',
      `${path}: ${ids.length} labels but there are ${files.length} images; a part of them needs names with their numbers, as ILSVRC2012_val_00000001.JPEG`,
    )
  }
  const labels = new Map(files.map((file, i) => [file, ofLine[numbered ? numbers[i]! - 1 : i]]))
  const classes = () => [...synsets.values()].sort(byCodePoint)
  return { path, classes, labelOf: (file) => labels.get(file) }
}

/** The synset of each id. Those with children are ImageNet's inner nodes, which no image is labelled by. */
async function synsetsOf(devkit: string): Promise<Map<number, string>> {
  const path = join(devkit, 'meta.mat')
  const bytes = await readFileUpTo(path, largestMatFile)
  if (bytes === null) {
    const list = join(devkit, 'synsets.txt')
    const synsets = (await linesOf(list)).map((line) => line.split(' ', 1)[0]!.split('\t', 1)[0]!)
    if (synsets.includes('') || new Set(synsets).size < synsets.length) {
      throw new SosError(
        'ERR_DATASET',
        `${list}: expected another synset in each line but one is empty, or twice`,
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
  throw new SosError('ERR_DATASET', `${path}: expected synsets with ILSVRC2012_ID, WNID and num_children`)
}

/** The lines of a text file, trimmed. Throws `ERR_DATASET`. */
export async function linesOf(path: string): Promise<string[]> {
  const lines = await readLines(path)
  if (lines !== null) return lines
  throw new SosError('ERR_DATASET', `${path}: there is no such file`)
}
