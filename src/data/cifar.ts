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
import { readNames } from './classes.js'
import type { Dataset } from './dataset.js'
import type { Preprocess } from './preprocess.js'
import { checkedPreprocess } from './preprocess-schema.js'
import { readFileUpTo } from './read-file.js'
import { storedImages } from './stored-images.js'

/** The official files have some 30 and 150 MB. Node reads no more than this at once. */
const largestFile = 2 ** 31 - 2

export interface CifarOptions {
  /** Hold the official files against their MD5 sums. Default: false, since it takes as long as reading them. */
  verify?: boolean
}

export interface Cifar100Options extends CifarOptions {
  /** The 100 fine classes or the 20 coarse ones. Default: fine. */
  labels?: CifarLabels
}

/**
 * CIFAR-10 in its official binary format: `data_batch_1.bin` … `data_batch_5.bin`, or `test_batch.bin`, in `folder`.
 * Each file holds 10,000 records of a label and 3,072 bytes of pixels. `batches.meta.txt` beside them names the classes;
 * else they are numbered. `sos data fetch cifar10` brings the files.
 *
 * @param folder where the files are; or, without `split`, one file of any number of records
 * @throws `ERR_DATASET` for missing, damaged or mismatched files, `ERR_PREPROCESS`
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
 * CIFAR-100 in its official binary format: `train.bin` with 50,000 records, or `test.bin` with 10,000, of a coarse label, a
 * fine one and 3,072 bytes of pixels. `fine_label_names.txt` and `coarse_label_names.txt` beside them name the classes; else
 * they are numbered.
 *
 * @param folder where the files are; or, without `split`, one file of any number of records
 * @throws `ERR_DATASET` for missing, damaged or mismatched files, `ERR_PREPROCESS`
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
      `${folder}: ${layout.title}'s images are RGB but the model takes 1 channel`,
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
      `${folder}: expected the labels 0 to ${count - 1} of ${layout.title} but record ${wrong} has ${labels[wrong]}: is this another format?`,
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
    const hint = layout === cifar10Layout ? '; `sos data fetch cifar10` brings the files' : ''
    throw new SosError('ERR_DATASET', `${path}: there is no such file${hint}`)
  }
  const count = bytes.length / length
  if (count === (expected ?? (Math.floor(count) || 1))) return bytes
  throw new SosError(
    'ERR_DATASET',
    `${path}: expected ${expected ?? 'whole'} records of ${layout.title}, ${length} bytes each, but the file has ${bytes.length} bytes, which is ${count.toFixed(1)} records${expected === null ? '' : '; a file with fewer is opened by its own path'}`,
  )
}

function verifyMd5(path: string, bytes: Uint8Array, { title, md5 }: CifarLayout): void {
  const expected = md5[basename(path)]
  const came = createHash('md5').update(bytes).digest('hex')
  if (came === expected) return
  throw new SosError(
    'ERR_DATASET',
    expected === undefined
      ? `${path}: there is no MD5 to verify it by: it is no official file of ${title}`
      : `${path}: expected ${title}'s official file with MD5 ${expected} but it has ${came}: fetch it again`,
  )
}

async function classNames(path: string, count: number): Promise<string[]> {
  const names = await readNames(path)
  if (names === null) return Array.from({ length: count }, (_, i) => String(i))
  if (names.length === count) return names
  throw new SosError('ERR_DATASET', `${path}: expected ${count} class names but there are ${names.length}`)
}
