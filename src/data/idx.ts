import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, gunzip } from 'node:zlib'
import { SosError } from '../base/index.js'

import { readClasses } from './class-names.js'
import type { Dataset } from './dataset.js'
import type { Preprocess } from './preprocess.js'
import { checkedPreprocess } from './preprocess-schema.js'
import { readFileUpTo } from './read-file.js'
import { storedImages } from './stored-images.js'

/** Node cannot read more than this at once. */
const largestFile = 2 ** 31 - 2

/**
 * Opens a dataset in the IDX format of MNIST: `train-images-idx3-ubyte[.gz]` and `train-labels-idx1-ubyte[.gz]` for training, `t10k-…` for the
 * test. The names of the classes are in `classes.txt` beside them; without that file the classes are numbered.
 *
 * @param folder the folder of the files
 * @param split which part of the dataset
 * @param recipe the preprocessing, with 1 channel
 * @returns the dataset, all in memory
 * @throws `ERR_DATASET` if files are missing, damaged or do not fit together; `ERR_PREPROCESS`
 * @example
 * const data = await idxFolder('assets/fashion-mnist', 'test', preprocess)
 * console.log(data.size, data.classes[0]) // → 2000 T-shirt/top
 */
export async function idxFolder(
  folder: string,
  split: 'train' | 'test',
  recipe: Preprocess,
): Promise<Dataset> {
  const { channels } = checkedPreprocess(recipe)
  const prefix = split === 'train' ? 'train' : 't10k'
  const images = await readIdx(folder, `${prefix}-images-idx3-ubyte`, 3)
  const labels = await readIdx(folder, `${prefix}-labels-idx1-ubyte`, 1)
  const [size, height, width] = images.shape as [number, number, number]
  if (labels.shape[0] !== size) {
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected one label for each image but the ${split} split has ${size} images and ${labels.shape[0]} labels`,
    )
  }
  if (channels !== 1) {
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected a preprocessing with 1 channel, since IDX images are greyscale, but it has ${channels}`,
    )
  }
  const largest = labels.values.reduce((a, b) => Math.max(a, b), -1)
  const classes = (await readClasses(folder)) ?? Array.from({ length: largest + 1 }, (_, i) => String(i))
  if (largest >= classes.length) {
    throw new SosError(
      'ERR_DATASET',
      `${folder}: expected labels below ${classes.length}, since classes.txt has ${classes.length} names, but one is ${largest}`,
    )
  }
  const length = height * width
  return storedImages(
    {
      name: `idx:${folder}:${split}`,
      classes,
      labels: Int32Array.from(labels.values),
      shape: [1, height, width],
      bytesOf: (index) => images.values.subarray(index * length, (index + 1) * length),
    },
    recipe,
  )
}

interface IdxFile {
  shape: number[]
  values: Uint8Array
}

async function readIdx(folder: string, name: string, dimensions: number): Promise<IdxFile> {
  const header = 4 + 4 * dimensions
  const { path, bytes } = await readPlainOrGzipped(join(folder, name), header)
  const bad = (why: string) =>
    new SosError(
      'ERR_DATASET',
      `${path}: expected an IDX file of bytes with ${dimensions} dimension(s) but ${why}`,
    )
  if (bytes.length < header) throw bad('it is truncated')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // The header: two zero bytes, the type (0x08: unsigned byte), the number of dimensions; then the size of each, big-endian.
  if (view.getUint32(0) !== 0x0800 + dimensions)
    throw bad(`its magic number is 0x${view.getUint32(0).toString(16)}`)
  const shape = shapeIn(bytes, header)
  const expected = sizeOf(shape)
  if (bytes.length - header !== expected)
    throw bad(`it has ${bytes.length - header} bytes of data instead of ${expected}`)
  if (expected === 0) throw bad('it is empty')
  return { shape, values: bytes.subarray(header) }
}

async function readPlainOrGzipped(
  path: string,
  header: number,
): Promise<{ path: string; bytes: Uint8Array }> {
  const packed = `${path}.gz`
  const gzipped = await readFileUpTo(packed, largestFile)
  if (gzipped !== null) return { path: packed, bytes: await unzipped(packed, gzipped, header) }
  const bytes = await readFileUpTo(path, largestFile)
  if (bytes !== null) return { path, bytes }
  throw new SosError(
    'ERR_DATASET',
    `${path}[.gz]: expected a file of an IDX dataset but there is no such file`,
  )
}

/** Unpacks at most one byte more than the file's own header announces: a small gzip file may unpack to gigabytes. */
async function unzipped(path: string, packed: Uint8Array, header: number): Promise<Uint8Array> {
  const options = { finishFlush: constants.Z_SYNC_FLUSH } // so that a part of the file can be unpacked
  try {
    const head = await promisify(gunzip)(packed.subarray(0, 4096), options)
    const expected = head.length < header ? header : header + sizeOf(shapeIn(head, header))
    return await promisify(gunzip)(packed, { maxOutputLength: Math.min(expected, largestFile) + 1 })
  } catch (cause) {
    const why =
      cause instanceof RangeError // of maxOutputLength
        ? 'it has more data than its header says'
        : `the gzip is damaged: ${(cause as Error).message}`
    throw new SosError('ERR_DATASET', `${path}: expected a gzip file in the IDX format but ${why}`, { cause })
  }
}

/** The shape in a header: big-endian numbers of 32 bits after the magic number. */
function shapeIn(bytes: Uint8Array, header: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: header / 4 - 1 }, (_, i) => view.getUint32(4 + 4 * i))
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}
