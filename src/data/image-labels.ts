import { join, parse } from 'node:path'

import { clipped, SosError } from '../torch/errors.js'
import { placesAmong } from './class-names.js'
import { columnsOf, separatorOf } from './csv.js'
import { byCodePoint } from './listing.js'
import { largestMatFile, readMatStructs } from './mat-file.js'
import { readFileUpTo, readLines } from './read-file.js'

/** No dataset has more; a larger index is none. */
const mostClasses = 1_000_000

/** The class of each of some files, by its name. */
export interface ImageLabels {
  /** Where they are from, for messages. */
  readonly path: string
  /** Undefined where there is none. */
  labelOf(file: string): string | undefined
  /** All classes that it names, sorted; the numbers from 0 on where its labels are numbers. */
  readonly classes: readonly string[]
}

/** The classes' places, from the labels' names; a label that is no class's name may be its place. Throws `ERR_DATASET`. */
export function placesOf(
  files: readonly string[],
  { path, labelOf }: ImageLabels,
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
 * Labels from a CSV of file and label, with a header or without: the file's name with its extension or without, the
 * label a class's name, or its index. In Kaggle's LOC_val_solution.csv (`ImageId,PredictionString`) the label is the first
 * word of the second column; boxes follow.
 *
 * @throws `ERR_DATASET` for a malformed line or a file that stands there twice
 */
export async function labelsFromCsv(path: string): Promise<ImageLabels> {
  const lines = await linesOf(path)
  const separator = separatorOf(lines[0] ?? '')
  const withBoxes = lines[0]?.endsWith(',PredictionString') ?? false
  const labels = new Map<string, string>()
  for (const [i, line] of lines.entries()) {
    if (line === '') continue
    const [file = '', label = ''] = (separator && columnsOf(line, separator)) ?? []
    if (file === '' || label === '') {
      throw new SosError(
        'ERR_DATASET',
        `${path}: line ${i + 1}: expected FILE,LABEL but it is '${clipped(line)}'`,
      )
    }
    if (i === 0 && /^(image(_?id)?|file(_?name)?|path|name)$/i.test(file)) continue
    const name = parse(file).name
    if (labels.has(name))
      throw new SosError('ERR_DATASET', `${path}: line ${i + 1}: ${clipped(file)} stands there twice`)
    labels.set(name, withBoxes ? label.split(' ')[0]! : label)
  }
  const labelOf = (file: string) => labels.get(file) ?? labels.get(parse(file).name)
  return { path, classes: classesOf(path, new Set(labels.values())), labelOf }
}

/** Labels that are numbers are places: sorted as texts, 10 would come before 2. */
function classesOf(path: string, labels: ReadonlySet<string>): string[] {
  if (![...labels].every((label) => /^\d+$/.test(label))) return [...labels].sort(byCodePoint)
  let largest = -1
  for (const label of labels) largest = Math.max(largest, Number(label))
  if (largest < mostClasses) return Array.from({ length: largest + 1 }, (_, i) => String(i))
  throw new SosError('ERR_DATASET', `${path}: expected the index of a class but a label is ${largest}`)
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
  return { path, classes: [...synsets.values()].sort(byCodePoint), labelOf: (file) => labels.get(file) }
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
