import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { SosError } from '../base/index.js'

import {
  type CifarLabels,
  type CifarLayout,
  cifar10Layout,
  cifar100Layout,
  imageBytes,
} from './cifar-files.js'
import { readNames } from './class-names.js'
import type { Dataset } from './dataset.js'
import type { Preprocess } from './preprocess.js'
import { checkedPreprocess } from './preprocess-schema.js'
import { readFileUpTo } from './read-file.js'
import { storedImages } from './stored-images.js'

/** The official files have some 30 and 150 MB. Node cannot read more than this at once. */
const largestFile = 2 ** 31 - 2

/** Options of {@link cifar10}. */
export interface CifarOptions {
  /** Whether to compare the official files with their MD5 sums. Default: false, since this takes as long as reading them. */
  verify?: boolean
}

/** Options of {@link cifar100}. */
export interface Cifar100Options extends CifarOptions {
  /** Whether the labels are the 100 fine or the 20 coarse classes. Default: fine. */
  labels?: CifarLabels
}

/**
 * Opens CIFAR-10 in its official binary format: `data_batch_1.bin` … `data_batch_5.bin` for training, `test_batch.bin` for the test. Each file
 * has 10,000 records of a label and 3,072 bytes of pixels. The names of the classes are in `batches.meta.txt` beside them; without that
 * file the classes are numbered. The command `sos data fetch cifar10` fetches the files.
 *
 * @param folder the folder of the files; if `split` is null, the path of one file with any number of records
 * @param split which part of the dataset; null for a file of your own
 * @param recipe the preprocessing, with 3 channels
 * @param options see {@link CifarOptions}. Default: the files are not verified
 * @returns the dataset, all in memory
 * @throws `ERR_DATASET` if files are missing, damaged or not of this dataset; `ERR_PREPROCESS`
 * @example
 * ```ts no-run
 * const data = await cifar10('data/cifar-10-batches-bin', 'test', preprocessOf(model))
 * console.log(data.size, data.classes[0]) // 10000 airplane
 * ```
 */
export function cifar10(
  folder: string,
  split: 'train' | 'test' | null,
  recipe: Preprocess,
  options: CifarOptions = {},
): Promise<Dataset> {
  return open('cifar10', cifar10Layout, folder, split, recipe, options)
}

/**
 * Opens CIFAR-100 in its official binary format: `train.bin` with 50,000 records, `test.bin` with 10,000. A record has a coarse label, a fine
 * label and 3,072 bytes of pixels. The names of the classes are in `fine_label_names.txt` and `coarse_label_names.txt` beside them;
 * without those files the classes are numbered.
 *
 * @param folder the folder of the files; if `split` is null, the path of one file with any number of records
 * @param split which part of the dataset; null for a file of your own
 * @param recipe the preprocessing, with 3 channels
 * @param options see {@link Cifar100Options}. Default: the fine classes, and the files are not verified
 * @returns the dataset, all in memory
 * @throws `ERR_DATASET` if files are missing, damaged or not of this dataset; `ERR_PREPROCESS`
 * @example
 * ```ts no-run
 * const data = await cifar100('data/cifar-100-binary', 'test', preprocessOf(model), { labels: 'coarse' })
 * console.log(data.size, data.classes.length) // 10000 20
 * ```
 */
export function cifar100(
  folder: string,
  split: 'train' | 'test' | null,
  recipe: Preprocess,
  options: Cifar100Options = {},
): Promise<Dataset> {
  return open('cifar100', cifar100Layout, folder, split, recipe, options)
}

async function open(
  kind: string,
  layout: CifarLayout,
  folder: string,
  split: 'train' | 'test' | null,
  recipe: Preprocess,
  { labels: wanted = 'fine', verify = false }: Cifar100Options,
): Promise<Dataset> {
  if (checkedPreprocess(recipe).channels !== 3) {
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected a preprocessing with 3 channels, since the images of ${layout.title} are RGB, but it has 1`,
    )
  }
  const files =
    split === null
      ? [{ path: folder, expected: null }]
      : layout.files[split].map((name) => ({ path: join(folder, name), expected: layout.records[split] }))
  const records: Uint8Array[] = []
  for (const { path, expected } of files) {
    const bytes = await readRecords(path, layout, expected)
    if (verify) verifyMd5(path, bytes, layout)
    const length = layout.labels.length + imageBytes
    for (let start = 0; start < bytes.length; start += length)
      records.push(bytes.subarray(start, start + length))
  }
  const place = layout.labels.findIndex(({ kind }) => kind === wanted)
  const { classes: count, names } = layout.labels[place]!
  const labels = Int32Array.from(records, (record) => record[place]!)
  const wrong = labels.findIndex((label) => label >= count)
  if (wrong >= 0) {
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected labels from 0 to ${count - 1}, as in ${layout.title}, but record ${wrong} has ${labels[wrong]}: is this another format?`,
    )
  }
  const title = [kind, folder, ...(split === null ? [] : [split]), ...(wanted === 'coarse' ? ['coarse'] : [])]
  return storedImages(
    {
      name: title.join(':'),
      classes: await classNames(join(split === null ? dirname(folder) : folder, names), count),
      labels,
      shape: [3, 32, 32],
      bytesOf: (index) => records[index]!.subarray(layout.labels.length),
    },
    recipe,
  )
}

async function readRecords(path: string, layout: CifarLayout, expected: number | null): Promise<Uint8Array> {
  const length = layout.labels.length + imageBytes
  const bytes = await readFileUpTo(path, largestFile)
  if (bytes === null) {
    const hint = layout === cifar10Layout ? '; `sos data fetch cifar10` fetches the files' : ''
    throw new SosError(
      'ERR_DATASET',
      `${path}: expected a file of ${layout.title} but there is no such file${hint}`,
    )
  }
  const count = bytes.length / length
  if (count === (expected ?? (Math.floor(count) || 1))) return bytes
  throw new SosError(
    'ERR_DATASET',
    `${path}: expected ${expected ?? 'whole'} records of ${layout.title}, ${length} bytes each, but the file has ${bytes.length} bytes, which are ${count.toFixed(1)} records${expected === null ? '' : '; to open a file with fewer records, give its own path'}`,
  )
}

function verifyMd5(path: string, bytes: Uint8Array, { title, md5 }: CifarLayout): void {
  const expected = md5[basename(path)]
  const came = createHash('md5').update(bytes).digest('hex')
  if (came === expected) return
  throw new SosError(
    'ERR_DATASET',
    expected === undefined
      ? `${path}: expected an official file of ${title} to verify but no MD5 is known for this name`
      : `${path}: expected the official file of ${title} with MD5 ${expected} but this one has ${came}: fetch it again`,
  )
}

async function classNames(path: string, count: number): Promise<string[]> {
  const names = await readNames(path)
  if (names === null) return Array.from({ length: count }, (_, i) => String(i))
  if (names.length === count) return names
  throw new SosError('ERR_DATASET', `${path}: expected ${count} class names but the file has ${names.length}`)
}
