import { clipped, SosError } from '../base/index.js'
import { comparable } from './class-outputs.js'
import { columnsOf, separatorOf } from './csv.js'
import { type ImageLabels, linesOf } from './image-labels.js'
import { byCodePoint, withoutExtension } from './listing.js'

/** No dataset has more classes; a larger number is not the index of a class. */
const mostClasses = 1_000_000

const index = /^\d+$/
const number = /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i

/**
 * Reads labels from a CSV file with a file name and a label in each line, with or without a header. The file name may lack its extension. The
 * label is the name of a class or its index; 3.0, which pandas writes for 3 in a column with gaps, is 3. In Kaggle's LOC_val_solution.csv
 * (`ImageId,PredictionString`) the label is the first word of the second column, before the boxes.
 *
 * The first line is a header if its first column has a usual name for such a column, or if it is not one of the images and has neither a
 * digit nor a dot. A file with more than two columns needs a header that calls the second one label or class.
 *
 * @param files the images for which labels are needed
 * @throws `ERR_DATASET` if a line is malformed or a file occurs twice
 */
export async function labelsFromCsv(path: string, files: readonly string[]): Promise<ImageLabels> {
  const lines = await linesOf(path)
  const separator = separatorOf(lines[0] ?? '')
  const stems = counted(files.map((file) => comparable(withoutExtension(file))))
  const labels = new FileLabels(path)
  let header: readonly string[] | null = null
  for (const [i, line] of lines.entries()) {
    if (line === '') continue
    const columns = (separator && columnsOf(line, separator)) ?? []
    const [file = '', label = ''] = columns
    if (file === '' || label === '') throw malformed(path, i, `it is '${clipped(line)}'`)
    if (i === 0 && isHeader(file, stems)) {
      header = columns
      continue
    }
    if (columns.length > 2 && !/label|class|predictionstring/i.test(header?.[1] ?? '')) {
      throw malformed(
        path,
        i,
        `it has ${columns.length} columns, and no header says that the second one is the label`,
      )
    }
    const withBoxes = /^predictionstring$/i.test(header?.[1] ?? '')
    labels.add(i, file, withBoxes ? label.split(/\s+/)[0]! : label.replace(/^(\d+)\.0+$/, '$1'))
  }
  return {
    path,
    classes: () => classesOf(path, new Set(labels.all())),
    labelOf: (file) => labels.of(file, stems.get(comparable(withoutExtension(file))) === 1),
  }
}

function isHeader(file: string, stems: ReadonlyMap<string, number>): boolean {
  if (/^(image(_?id)?|file(_?name)?|path|name)$/i.test(file)) return true
  return !/[\d.]/.test(file) && !stems.has(baseName(file))
}

/** Labels by the names of files, and also by the names without their extension if these are unique. */
class FileLabels {
  readonly #path: string
  readonly #byName = new Map<string, string>()
  /** Null if several names are the same without their extension. */
  readonly #byStem = new Map<string, string | null>()

  constructor(path: string) {
    this.#path = path
  }

  add(line: number, file: string, label: string): void {
    const name = baseName(file)
    const stem = withoutExtension(name)
    if (this.#byName.has(name) || this.#byName.has(stem) || (name === stem && this.#byStem.has(stem))) {
      throw new SosError(
        'ERR_DATASET',
        `${this.#path}: line ${line + 1}: expected each file once but ${clipped(file)} occurs twice`,
      )
    }
    this.#byName.set(name, label)
    this.#byStem.set(stem, this.#byStem.has(stem) ? null : label)
  }

  /** @param alone whether no other image has the same name without its extension */
  of(file: string, alone: boolean): string | undefined {
    const name = comparable(file)
    return (
      this.#byName.get(name) ?? (alone ? (this.#byStem.get(withoutExtension(name)) ?? undefined) : undefined)
    )
  }

  all(): Iterable<string> {
    return this.#byName.values()
  }
}

/** Labels that are numbers are indices of classes: sorted as texts, 10 would come before 2. */
function classesOf(path: string, labels: ReadonlySet<string>): string[] {
  const numbers = [...labels].filter((label) => number.test(label))
  if (numbers.length === 0) return [...labels].sort(byCodePoint)
  const name = [...labels].find((label) => !number.test(label))
  if (name !== undefined) {
    throw new SosError(
      'ERR_DATASET',
      `${path}: expected labels that are either all indices or all names but '${clipped(numbers[0]!)}' is a number and '${clipped(name)}' is a name; list the classes in a classes.txt`,
    )
  }
  let largest = -1
  for (const label of numbers) {
    if (!index.test(label) || Number(label) >= mostClasses) {
      throw new SosError(
        'ERR_DATASET',
        `${path}: expected the index of a class but a label is ${clipped(label)}`,
      )
    }
    largest = Math.max(largest, Number(label))
  }
  return Array.from({ length: largest + 1 }, (_, i) => String(i))
}

/** The name of a file without its folders, in the notation of any system. */
function baseName(file: string): string {
  return comparable(file.split(/[/\\]/).at(-1)!)
}

function counted(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function malformed(path: string, line: number, why: string): SosError {
  return new SosError('ERR_DATASET', `${path}: line ${line + 1}: expected FILE,LABEL but ${why}`)
}
