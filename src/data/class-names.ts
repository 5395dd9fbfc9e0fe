import { clipped, nearest, SosError } from '../base/index.js'
import type { Dataset } from './dataset.js'
import { areImageNetCategories, imageNetSynsets } from './imagenet-synsets.js'

/** The classes that a dataset has images of, in order. Throws `ERR_LABELS` for a label that is none of its classes. */
export function usedClasses({ name, classes, labels }: Dataset): number[] {
  const used = [...new Set(labels)].sort((a, b) => a - b)
  const wrong = used.find((label) => !(label >= 0 && label < classes.length))
  if (wrong === undefined) return used
  throw new SosError(
    'ERR_LABELS',
    `${name}: expected labels from 0 to ${classes.length - 1}, of its ${classes.length} classes, but an image has ${wrong}`,
  )
}

/** Whether classes have no names but their numbers: `0`, `1`, … in order. */
export function areNumbers(names: readonly string[]): boolean {
  return names.every((name, i) => name === String(i))
}

/** A class's name as it is compared: two spellings of one letter in Unicode are one name, and spaces around it are none. */
export const comparable = (name: string): string => name.normalize('NFC').trim()

/**
 * Finds the classes of a dataset among the outputs of a model, by their names. A part of the outputs is enough. ImageNet's
 * synsets, as `n01440764`, are found where the outputs have torchvision's names of them. Where one side has only numbers, they are
 * places, if there are as many on both sides.
 *
 * @param outputs the name of each output
 * @returns for each class of the dataset its output; −1 for one that has no image and no output
 * @throws `ERR_LABELS` where a class that has images is none of the outputs, or stands there twice
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

/** Whether the classes are the first outputs, in their order; names that stand there twice are told by their places then. */
function isBeginning(classes: readonly string[], outputs: readonly string[]): boolean {
  const same = classes.every((name, i) => comparable(name) === comparable(outputs[i] ?? ''))
  return (
    same && (classes.length === outputs.length || new Set(outputs.map(comparable)).size === outputs.length)
  )
}

/** Looks names up among others, as {@link comparable}: the places of one, of which there are several where it stands there twice. */
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
        `${dataset.name}: the class '${name}' could be output ${place} or ${second} of the model: both are called '${names[place!]}'; list the outputs under names that differ, by --classes or withClasses`,
      )
    }
    const other = taken.get(place!)
    if (other !== undefined) {
      throw new SosError(
        'ERR_LABELS',
        `${dataset.name}: the classes '${dataset.classes[other]}' and '${name}' are one name, written in two ways; both would be output ${place}`,
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
      `${name}: expected names of classes, or as many numbers as the model has classes, ${outputs.length}, but its classes are ${classes.length} numbers; a classes.txt beside the data names them`,
    )
  }
  const known = new Set(outputs.map(comparable))
  const missing = used.map((label) => classes[label]!).filter((one) => !known.has(comparable(one)))
  const near = nearest(missing[0] ?? '', outputs)
  const count = missing.length === used.length ? 'none' : `${used.length - missing.length}`
  return new SosError(
    'ERR_LABELS',
    `${name}: expected classes that are among the model's ${outputs.length}, as ${shown(outputs)}, but ${count} of the ${used.length} are: there is no ${shown(missing)}${near.length > 0 ? ` (did you mean ${near.join(', ')}?)` : ''}; list the outputs in their order under the dataset's names, by --classes FILE or withClasses`,
  )
}

/** Some names, for messages. */
export function shown(names: readonly string[], most = 4): string {
  const some = names.slice(0, most).map((name) => clipped(name, 60))
  return names.length > most ? `${some.join(', ')}, …` : some.join(', ')
}
