import { clipped, nearest, SosError } from '../base/index.js'
import type { Dataset } from './dataset.js'
import { areImageNetCategories, imageNetSynsets } from './imagenet-synsets.js'

/** The classes of which a dataset has images, in order. Throws `ERR_LABELS` if a label is not one of its classes. */
export function usedClasses({ name, classes, labels }: Dataset): number[] {
  const used = [...new Set(labels)].sort((a, b) => a - b)
  const wrong = used.find((label) => !(label >= 0 && label < classes.length))
  if (wrong === undefined) return used
  throw new SosError(
    'ERR_LABELS',
    `${name}: expected labels from 0 to ${classes.length - 1}, since it has ${classes.length} classes, but an image has ${wrong}`,
  )
}

/** Whether the names of classes are only their numbers: `0`, `1`, … in order. */
export function areNumbers(names: readonly string[]): boolean {
  return names.every((name, i) => name === String(i))
}

/** The form in which names of classes are compared: in one spelling of Unicode (NFC), without the spaces around them. */
export const comparable = (name: string): string => name.normalize('NFC').trim()

/**
 * Finds the classes of a dataset among the outputs of a model by their names. The dataset may have only some of the outputs as classes.
 * ImageNet's synsets, such as `n01440764`, are found if the outputs have the names that torchvision gives them. If one side has only
 * numbers, they are taken as indices of outputs, provided that both sides have the same number of names.
 *
 * @param outputs the name of each output
 * @returns the output of each class of the dataset; −1 for a class without images that is not among the outputs
 * @throws `ERR_LABELS` if a class that has images is not among the outputs, or if several outputs have its name
 */
export function outputsOfClasses(dataset: Dataset, outputs: readonly string[]): readonly number[] {
  const { classes } = dataset
  const used = usedClasses(dataset)
  const places = classes.map((_, i) => i)
  if (isBeginning(classes, outputs)) return places
  const vocabularies = areImageNetCategories(outputs) ? [outputs, imageNetSynsets] : [outputs]
  for (const names of vocabularies) {
    const found = classes.map(placesAmong(names))
    if (used.every((label) => found[label]!.length > 0)) return unambiguous(dataset, used, found, names)
  }
  if ((areNumbers(classes) || areNumbers(outputs)) && classes.length === outputs.length) return places
  throw unknown(dataset, used, outputs)
}

/** Whether the classes are the first outputs, in their order. If all outputs are classes, names that occur twice are no problem. */
function isBeginning(classes: readonly string[], outputs: readonly string[]): boolean {
  const same = classes.every((name, i) => comparable(name) === comparable(outputs[i] ?? ''))
  return (
    same && (classes.length === outputs.length || new Set(outputs.map(comparable)).size === outputs.length)
  )
}

/** Looks names up among others, in their {@link comparable} form. It gives all places of a name, since a name may occur twice. */
export function placesAmong(names: readonly string[]): (name: string) => readonly number[] {
  const places = new Map<string, number[]>()
  for (const [i, name] of names.entries()) {
    const known = places.get(comparable(name))
    if (known === undefined) places.set(comparable(name), [i])
    else known.push(i)
  }
  return (name) => places.get(comparable(name)) ?? []
}

function unambiguous(
  dataset: Dataset,
  used: readonly number[],
  found: readonly (readonly number[])[],
  names: readonly string[],
): number[] {
  const taken = new Map<number, number>()
  for (const label of used) {
    const [place, second] = found[label]!
    const name = dataset.classes[label]
    if (second !== undefined) {
      throw new SosError(
        'ERR_LABELS',
        `${dataset.name}: the class '${name}' could be output ${place} or ${second} of the model, since both are called '${names[place!]}'; list the outputs under different names with --classes or withClasses`,
      )
    }
    const other = taken.get(place!)
    if (other !== undefined) {
      throw new SosError(
        'ERR_LABELS',
        `${dataset.name}: the classes '${dataset.classes[other]}' and '${name}' are the same name in two spellings, so both would be output ${place}`,
      )
    }
    taken.set(place!, label)
  }
  return found.map(([place = -1]) => place)
}

function unknown({ name, classes }: Dataset, used: readonly number[], outputs: readonly string[]): SosError {
  if (areNumbers(classes)) {
    return new SosError(
      'ERR_LABELS',
      `${name}: expected class names, or ${outputs.length} numbers, as many as the model has classes, but its classes are ${classes.length} numbers; name them in a classes.txt beside the data`,
    )
  }
  const known = new Set(outputs.map(comparable))
  const missing = used.map((label) => classes[label]!).filter((one) => !known.has(comparable(one)))
  const near = nearest(missing[0] ?? '', outputs)
  const count = missing.length === used.length ? 'none' : `${used.length - missing.length}`
  return new SosError(
    'ERR_LABELS',
    `${name}: expected classes that are among the ${outputs.length} of the model, such as ${firstNames(outputs)}, but ${count} of the ${used.length} are: there is no ${firstNames(missing)}${near.length > 0 ? ` (did you mean ${near.join(', ')}?)` : ''}; list the outputs in their order under the dataset's names with --classes FILE or withClasses`,
  )
}

/** The first names of a list, for messages. */
export function firstNames(names: readonly string[], most = 4): string {
  const some = names.slice(0, most).map((name) => clipped(name, 60))
  return names.length > most ? `${some.join(', ')}, …` : some.join(', ')
}
