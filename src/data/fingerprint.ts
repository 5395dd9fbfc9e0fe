import { createHash } from 'node:crypto'

import { type Dataset, evenIndices } from './dataset.js'
import { loadPixels, loadSamples } from './load-samples.js'

/** Hashes that distinguish a dataset from others with the same name and size, in hexadecimal. */
export interface DatasetFingerprint {
  /** The SHA-256 of the labels as little-endian int32. */
  readonly labelsSha256: string
  /** The SHA-256 of the images of a sample, and of which of them could be read. */
  readonly sampleSha256: string
}

const sampleSize = 16

/** Reads {@link sampleSize} images, spread evenly over the dataset: their pixels if it has them. Throws what `load` throws. */
export async function fingerprint(dataset: Dataset): Promise<DatasetFingerprint> {
  const hash = createHash('sha256')
  const { name, pixels } = dataset
  for (const index of evenIndices(dataset.size, Math.min(sampleSize, dataset.size))) {
    const { images, indices } = await (pixels
      ? loadPixels({ name, pixels }, [index])
      : loadSamples(dataset, [index]))
    hash.update(`${indices.length} ${images.dtype} ${images.shape}\n`)
    hash.update(images.contiguous().toBuffer())
    images.dispose()
  }
  return { labelsSha256: labelsSha256(dataset), sampleSha256: hash.digest('hex') }
}

export function labelsSha256({ labels }: Dataset): string {
  const bytes = new DataView(new ArrayBuffer(4 * labels.length))
  for (const [i, label] of labels.entries()) bytes.setInt32(4 * i, label, true)
  return createHash('sha256').update(bytes).digest('hex')
}
