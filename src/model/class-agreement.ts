import { expectList, SosError } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import {
  areNumbers,
  byCodePoint,
  expectDataset,
  outputsOfClasses,
  shown,
  usedClasses,
} from '../data/internal.js'
import type { ScriptModule } from '../torch/index.js'
import { classesOf, recordFile } from './checkpoint-record.js'

/** Lists of classes that were told as the outputs of a model. */
const told = new WeakSet<readonly string[]>()

/**
 * A dataset with its labels as the outputs of a model: each image of `cat` has the place of `cat` in `outputs` for label. The
 * dataset's classes may be a part of them, in any order; ImageNet's synsets are known under torchvision's names too.
 *
 * @param outputs what each output of the model is called, in their order; it becomes the dataset's `classes`
 * @param names what the dataset calls the same outputs. Default: `outputs`
 * @returns a view: the images are the dataset's own
 * @throws `ERR_LABELS` where a class that has images is none of the outputs, or where it could be several of them
 * @example
 * const val = withClasses(await imageFolder('val', preprocess), classesOf(model)!)
 */
export function withClasses(
  dataset: Dataset,
  outputs: readonly string[],
  names: readonly string[] = outputs,
): Dataset {
  expectDataset('dataset', dataset)
  expectList('outputs', outputs)
  expectList('names', names)
  if (names.length !== outputs.length) {
    throw new SosError(
      'ERR_LABELS',
      `expected a name for each of the model's ${outputs.length} classes but received ${names.length}`,
    )
  }
  const places = outputsOfClasses(dataset, names)
  const { name, size, pixels } = dataset
  const classes = [...outputs]
  told.add(classes)
  return {
    name,
    size,
    classes,
    labels: Int32Array.from(dataset.labels, (label) => places[label]!),
    load: (indices) => dataset.load(indices),
    ...(pixels && { pixels }),
  }
}

/**
 * {@link withClasses} for a model that tells its classes (`classesOf`); for another, the dataset as it is.
 *
 * @param names what the dataset calls the model's outputs, in their order, where it is not as the model does
 * @throws `ERR_LABELS`
 */
export function datasetFor(model: ScriptModule, dataset: Dataset, names?: readonly string[]): Dataset {
  expectDataset('dataset', dataset)
  const outputs = classesOf(model)
  if (names !== undefined) return withClasses(dataset, outputs ?? names, names)
  return outputs === null ? dataset : withClasses(dataset, outputs)
}

/**
 * Refuses a dataset whose classes are by their names others than its labels make them.
 *
 * @param outputs the names that its labels should be places in, of `of`
 * @throws `ERR_LABELS`
 */
export function expectOrder(dataset: Dataset, outputs: readonly string[], of: string): void {
  const places = outputsOfClasses(dataset, outputs)
  const moved = usedClasses(dataset).find((label) => places[label] !== label)
  if (moved === undefined) return
  throw new SosError(
    'ERR_LABELS',
    `${dataset.name}: expected its classes in the order of ${of} but '${dataset.classes[moved]}' is ${moved} in the one and ${places[moved]} in the other; withClasses(dataset, classes) puts its labels into that order`,
  )
}

/** Refuses a dataset whose labels are, by the names, not the outputs of `model`, where it tells them. Throws `ERR_LABELS`. */
export function expectClassesOf(model: ScriptModule, dataset: Dataset): void {
  expectDataset('dataset', dataset)
  const outputs = classesOf(model)
  if (outputs === null) usedClasses(dataset)
  else expectOrder(dataset, outputs, `${model.path}'s ${recordFile}`)
}

/** Refuses two datasets for one model where a label means one class in the one and another in the other. Throws `ERR_LABELS`. */
export function expectSameClasses(model: ScriptModule, first: Dataset, second: Dataset): void {
  for (const dataset of [first, second]) expectClassesOf(model, dataset)
  if (classesOf(model) === null) expectOrder(second, first.classes, first.name)
}

/**
 * Holds a dataset against a model, of which the number of outputs is known now.
 *
 * @returns why the labels may not be the outputs that they are taken for: `count` where the dataset has another number of
 *   classes and no names tell which they are, `order` where numbers may begin or be sorted in another way
 * @throws `ERR_LABELS` where a label is beyond the outputs, the names contradict, or another number of outputs was listed; `ERR_RECORD` where the model's record names
 *   another number of classes
 */
export function classDoubts(
  model: ScriptModule,
  dataset: Dataset,
  outputs: number,
): { count: string | null; order: string[] } {
  const names = classesOf(model)
  if (names !== null && names.length !== outputs) {
    throw new SosError(
      'ERR_RECORD',
      `${model.path}: its ${recordFile} names ${names.length} classes but it has ${outputs} outputs`,
    )
  }
  const { name, classes } = dataset
  if (told.has(classes) && classes.length !== outputs) {
    throw new SosError(
      'ERR_LABELS',
      `${name}: expected the names of all outputs of ${model.path}, ${outputs}, but ${classes.length} were listed (${shown(classes)}): list each output in its order, by --classes or withClasses`,
    )
  }
  const used = usedClasses(dataset)
  const largest = used.at(-1) ?? 0
  const fromOne = areNumbers(classes) && used.length > 1 && used[0] === 1 && used.length === largest
  if (largest >= outputs) {
    throw new SosError(
      'ERR_LABELS',
      `${name} has images of class ${largest} (${classes[largest]}) but the model has ${outputs === 1 ? 'one output, for class 0' : `${outputs} outputs, for classes 0 to ${outputs - 1}`}: ${fromOne ? 'do its labels begin at 1?' : 'is this the right model, and is classes.txt in its order?'}`,
    )
  }
  expectClassesOf(model, dataset)
  const order: string[] = []
  if (fromOne) order.push(`${name}: no image has label 0 but all others are there: do its labels begin at 1?`)
  if (names !== null) return { count: null, order }
  const place = sortedAsText(classes)
  if (place >= 0) {
    order.push(
      `${name}: its classes are numbered, and sorted as text as torchvision does: '${classes[place]}' is output ${place}; list them in the order of the outputs, by classes.txt or --classes, if the model has them in another`,
    )
  }
  const count =
    classes.length === outputs
      ? null
      : `${name} has ${classes.length} classes (${shown(classes)}) but ${model.path} has ${outputs} outputs, and no names tell which of them they are: labels 0 to ${largest} are taken for outputs 0 to ${largest}; name the outputs by --classes FILE (--classes imagenet for ImageNet's), withClasses, or a classes.txt`
  return { count, order }
}

/** The outputs of models that were held against a dataset, so that each batch may ask. */
const agreed = new WeakMap<Dataset, WeakMap<ScriptModule, number>>()

/**
 * {@link classDoubts} where doubtful labels would make what is computed wrong.
 *
 * @throws as there, and `ERR_LABELS` where the dataset has another number of classes; it warns where their order is doubtful
 */
export function expectAgreement(model: ScriptModule, dataset: Dataset, outputs: number): void {
  const known = agreed.get(dataset) ?? new WeakMap<ScriptModule, number>()
  if (known.get(model) === outputs) return
  const { count, order } = classDoubts(model, dataset, outputs)
  if (count !== null) throw new SosError('ERR_LABELS', count)
  warnOfClasses(order)
  agreed.set(dataset, known.set(model, outputs))
}

/** As process warnings with the code `SOS_CLASSES`. */
export function warnOfClasses(doubts: readonly string[]): void {
  for (const doubt of doubts) process.emitWarning(doubt, { code: 'SOS_CLASSES' })
}

/**
 * Where names that differ by a number stand as texts do and not as the numbers: 0, 1, 10, 2, or class1, class10, class2. The place of
 * the first one that stands elsewhere by its number; −1 where there is none.
 */
function sortedAsText(names: readonly string[]): number {
  const parts = names.map((name) => /^(-?\d{1,15}(?!\d)|\D+)(\d{1,15}(?!\d))?/.exec(name))
  const numbers = parts.map((part) => Number(part?.[2] ?? part?.[1]))
  const prefixes = new Set(parts.map((part) => (part?.[2] === undefined ? '' : part[1])))
  if (prefixes.size !== 1 || numbers.some(Number.isNaN)) return -1
  if (names.some((name, i) => i > 0 && byCodePoint(names[i - 1]!, name) >= 0)) return -1
  const sorted = [...numbers].sort((a, b) => a - b)
  return numbers.findIndex((number, i) => number !== sorted[i])
}
