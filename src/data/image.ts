import { readFile } from 'node:fs/promises'

import sharp, { type OutputInfo } from 'sharp'

import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor.js'

// Images are decoded side by side; threads within one would only compete with them and with libtorch.
sharp.concurrency(1)
sharp.cache(false)

/**
 * Decodes an image file off the event loop as Pillow's convert('RGB') or convert('L') does: embedded colour profiles and
 * the EXIF orientation are ignored, an alpha channel is dropped.
 *
 * @returns uint8 [1, channels, H, W]
 * @throws `ERR_IMAGE` for a corrupt file, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<Tensor> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new SosError(
      code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE',
      `${path}: the image cannot be read: ${message}`,
      { cause },
    )
  }
  let decoded: { data: Buffer; info: OutputInfo }
  try {
    decoded = await sharp(bytes, { ignoreIcc: true, failOn: 'truncated' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
  } catch (cause) {
    throw new SosError(
      'ERR_IMAGE',
      `${path}: the image cannot be decoded: ${(cause as Error).message.split('\n')[0]}`,
      {
        cause,
      },
    )
  }
  const { data, info } = decoded
  return scope(() => {
    const pixels = torch
      .tensor(data, { shape: [1, info.height, info.width, info.channels] })
      .permute([0, 3, 1, 2])
    if (info.channels === channels) return pixels
    if (info.channels === 1) return pixels.expand([1, channels, info.height, info.width])
    if (channels === 1 && info.channels === 3) return luma(pixels)
    throw new SosError(
      'ERR_IMAGE',
      `${path}: expected ${channels} channels but it decodes to ${info.channels}`,
    )
  })
}

/** ITU-R 601 luma in 16-bit fixed point, as Pillow's convert('L') computes it. */
function luma(rgb: Tensor): Tensor {
  const weights = torch.tensor([19595, 38470, 7471], { dtype: 'int32' }).view([1, 3, 1, 1])
  return rgb.to('int32').mul(weights).sum([1], true).add(0x8000).__rshift__(16).to('uint8')
}
