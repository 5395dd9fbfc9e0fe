import sharp from 'sharp'
import { SosError } from '../../base/index.js'

import { imageBytes } from '../cifar-files.js'

const pixels = imageBytes / 3

/**
 * Turns a sprite into records of CIFAR-10's binary format: a label, then the image's red, green and blue values.
 *
 * @param png an RGB image of 1024 × N pixels: each row is one image of 32 × 32, row by row
 * @param labels N class indices below 10
 * @throws `ERR_IMAGE` if the image is damaged or has another size, `ERR_DATASET` for other labels
 */
export async function spriteToRecords(png: Uint8Array, labels: readonly number[]): Promise<Uint8Array> {
  const image = sharp(png, { ignoreIcc: true, failOn: 'warning' })
  const { data, info } = await image
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause) => {
      throw new SosError(
        'ERR_IMAGE',
        `expected a sprite in the PNG format but it cannot be decoded: ${cause.message}`,
        { cause },
      )
    })
  if (info.width !== pixels || info.height !== labels.length || info.channels !== 3) {
    throw new SosError(
      'ERR_IMAGE',
      `expected a sprite of ${pixels}×${labels.length} RGB pixels but it has ${info.width}×${info.height} pixels with ${info.channels} channels`,
    )
  }
  const wrong = labels.find((label) => !Number.isInteger(label) || label < 0 || label > 9)
  if (wrong !== undefined)
    throw new SosError('ERR_DATASET', `expected labels from 0 to 9 but one is ${JSON.stringify(wrong)}`)
  const records = new Uint8Array(labels.length * (1 + imageBytes))
  labels.forEach((label, i) => {
    const start = i * (1 + imageBytes)
    records[start] = label
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        records[start + 1 + channel * pixels + pixel] = data[(i * pixels + pixel) * 3 + channel]!
      }
    }
  })
  return records
}
