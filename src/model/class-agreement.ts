import { expectList, SosError } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import {
  areNumbers,
  byCodePoint,
  expectDataset,
  firstNames,
  outputsOfClasses,
  usedClasses,
} from '../data/internal.js'
import type { ScriptModule } from '../torch/index.js'
import { classesOf, recordFile } from './checkpoint-record.js'

/** Lists of classes that were given as the outputs of a model. */
const listedOutputs = new WeakSet<readonly string[]>()

/**
 * Relabels a dataset so that its labels are the outputs of a model: each image of `cat` gets the place of `cat` in
 * `outputs` as its label. The dataset's classes may be a part of the outputs, in any order. ImageNet's synsets are
 * known under torchvision's names too.
 *
 * @param dataset the dataset
 * @param outputs the name of each output of the model, in order; they become the dataset's `classes`
 * @param names what the dataset calls the same outputs. Default: `outputs`
 * @returns a view: the images are the dataset's own
 * @throws `ERR_LABELS` if a class that has images is not one of the outputs, or could be several of them
 * @example
 * const reversed = [...test.classes].reverse()
 * console.log(withClasses(test, reversed).labels[0] === 9 - test.labels[0]!) // → true
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
  listedOutputs.add(classes)
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
 * Relabels a dataset by {@link withClasses} for a model that names its classes (`classesOf`). For any other model it
 * returns the dataset as it is.
 *
 * @param model the model
 * @param dataset the dataset
 * @param names what the dataset calls the model's outputs, in their order, if it uses other names
 * @returns a view of the dataset, or the dataset itself
 * @throws `ERR_LABELS` as {@link withClasses}
 * @example
 * console.log(datasetFor(model, test).labels[0] === test.labels[0]) // → true
 */
export function datasetFor(model: ScriptModule, dataset: Dataset, names?: readonly string[]): Dataset {
  expectDataset('dataset', dataset)
  const outputs = classesOf(model)
  if (names !== undefined) return withClasses(dataset, outputs ?? names, names)
  return outputs === null ? dataset : withClasses(dataset, outputs)
}

/**
 * Refuses a dataset whose labels mean other classes than `outputs` names.
 *
 * @param outputs the names that the labels should be places in
 * @param of whose names these are, for the message
 * @throws `ERR_LABELS`
 */
export function expectOrder(dataset: Dataset, outputs: readonly string[], of: string): void {
  const places = outputsOfClasses(dataset, outputs)
  const moved = usedClasses(dataset).find((label) => places[label] !== label)
  if (moved === undefined) return
  throw new SosError(
    'ERR_LABELS',
    `${dataset.name}: expected its classes in the order of ${of} but '${dataset.classes[moved]}' is number ${moved} in the dataset and number ${places[moved]} there; withClasses(dataset, classes) puts its labels into that order`,
  )
}

/**
 * Refuses a dataset whose labels are, by the classes' names, not the outputs of `model`, if the model names them.
 * Throws `ERR_LABELS`.
 */
export function expectClassesOf(model: ScriptModule, dataset: Dataset): void {
  expectDataset('dataset', dataset)
  const outputs = classesOf(model)
  if (outputs === null) usedClasses(dataset)
  else expectOrder(dataset, outputs, `${model.path}'s ${recordFile}`)
}

/**
 * Refuses two datasets for one model if a label means one class in the first and another in the second. Throws
 * `ERR_LABELS`.
 */
export function expectSameClasses(model: ScriptModule, first: Dataset, second: Dataset): void {
  for (const dataset of [first, second]) expectClassesOf(model, dataset)
  if (classesOf(model) === null) expectOrder(second, first.classes, first.name)
}

/**
 * Compares a dataset with a model whose number of outputs is known.
 *
 * @returns why the labels may not mean the model's outputs: `count` if the dataset has another number of classes and no
 *   names say which outputs they are; `order` if the numbering may begin elsewhere or be sorted differently
 * @throws `ERR_LABELS` if a label is beyond the outputs, the names contradict the labels, or another number of outputs
 *   was listed; `ERR_RECORD` if the model's `sos.json` names another number of classes
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
  if (listedOutputs.has(classes) && classes.length !== outputs) {
    throw new SosError(
      'ERR_LABELS',
      `${name}: expected the names of all outputs of ${model.path}, ${outputs}, but ${classes.length} were listed (${firstNames(classes)}): list each output in its order, by --classes or withClasses`,
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
      `${name}: its classes are numbered, and sorted as text as torchvision does: '${classes[place]}' is output ${place}; list them in the order of the outputs, by classes.txt or --classes, if the model has another order`,
    )
  }
  const count =
    classes.length === outputs
      ? null
      : `${name} has ${classes.length === 1 ? 'one class' : `${classes.length} classes`} (${firstNames(classes)}) but ${model.path} has ${outputs} outputs, and no names say which outputs they are: labels 0 to ${largest} are taken for outputs 0 to ${largest}; name the outputs by --classes FILE (--classes imagenet for ImageNet's), withClasses, or a classes.txt`
  return { count, order }
}

/** The number of outputs of each model that a dataset was compared with, so that the comparison is made once and not for each batch. */
const agreed = new WeakMap<Dataset, WeakMap<ScriptModule, number>>()

/**
 * Refuses doubtful labels ({@link classDoubts}) where they would make the computed numbers wrong.
 *
 * @throws what {@link classDoubts} throws, and `ERR_LABELS` if the dataset has another number of classes. If only their
 *   order is doubtful, it warns
 */
export function expectAgreement(model: ScriptModule, dataset: Dataset, outputs: number): void {
  const known = agreed.get(dataset) ?? new WeakMap<ScriptModule, number>()
  if (known.get(model) === outputs) return
  const { count, order } = classDoubts(model, dataset, outputs)
  if (count !== null) throw new SosError('ERR_LABELS', count)
  warnOfClasses(order)
  agreed.set(dataset, known.set(model, outputs))
}

/** Emits the doubts as process warnings with the code `SOS_CLASSES`. */
export function warnOfClasses(doubts: readonly string[]): void {
  for (const doubt of doubts) process.emitWarning(doubt, { code: 'SOS_CLASSES' })
}

/**
 * Finds out whether names that differ by a number are sorted as text instead of by the number: 0, 1, 10, 2, or class1,
 * class10, class2. Returns the place of the first name that would stand elsewhere by its number; −1 if there is none.
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
