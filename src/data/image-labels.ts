import { join, parse } from 'node:path'

import { clipped, SosError } from '../torch/errors.js'
import { columnsOf, separatorOf } from './csv.js'
import { largestMatFile, readMatStructs } from './mat-file.js'
import { readFileUpTo, readLines } from './read-file.js'

/** The class of each of some files, by its name. */
export interface ImageLabels {
  /** Where they are from, for messages. */
  readonly path: string
  /** Undefined where there is none. */
  labelOf(file: string): string | undefined
  /** All classes in order, where the source tells. */
  readonly classes: readonly string[] | null
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
  return { path, classes: null, labelOf: (file) => labels.get(file) ?? labels.get(parse(file).name) }
}

/**
 * Labels from the development kit of ILSVRC 2012: `ILSVRC2012_validation_ground_truth.txt` has an id a line, in the order
 * of the files' names. Which synset an id is tells `meta.mat` beside it, or `synsets.txt` with a synset a line: that of id 1
 * first. The ids are in no order of the synsets, and so are no class indices.
 *
 * @param files all images of the split, sorted by name
 * @throws `ERR_DATASET`
 */
export async function labelsFromGroundTruth(path: string, files: readonly string[]): Promise<ImageLabels> {
  const ids = (await linesOf(path)).filter((line) => line !== '').map(Number)
  if (ids.length !== files.length) {
    throw new SosError('ERR_DATASET', `${path}: ${ids.length} labels but there are ${files.length} images`)
  }
  const synsets = await synsetsOf(parse(path).dir)
  const labels = new Map<string, string>()
  for (const [i, id] of ids.entries()) {
    const synset = synsets.get(id)
    if (synset === undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${path}: line ${i + 1}: expected an id of 1 to ${synsets.size} but it is ${id}`,
      )
    }
    labels.set(files[i]!, synset)
  }
  return { path, classes: [...synsets.values()].sort(), labelOf: (file) => labels.get(file) }
}

/** The synset of each id. Those with children are ImageNet's inner nodes, which no image is labelled by. */
async function synsetsOf(devkit: string): Promise<Map<number, string>> {
  const path = join(devkit, 'meta.mat')
  const bytes = await readFileUpTo(path, largestMatFile)
  if (bytes === null) {
    const lines = (await linesOf(join(devkit, 'synsets.txt'))).filter((line) => line !== '')
    return new Map(lines.map((line, i) => [i + 1, line.split(/\s/)[0]!]))
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
