import sharp, { type OutputInfo } from 'sharp'

import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import type { Tensor } from '../torch/tensor.js'

// Images are decoded side by side; threads within one would only compete with them and with libtorch.
sharp.concurrency(1)
sharp.cache(false)

/**
 * Decodes an image file off the event loop as Pillow's convert('RGB') or convert('L') does: embedded colour profiles and
 * the EXIF orientation are ignored, an alpha channel is dropped.
 *
 * @returns uint8 [1, channels, H, W]
 * @throws `ERR_IMAGE`, which names the file
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<Tensor> {
  let decoded: { data: Buffer; info: OutputInfo }
  try {
    decoded = await sharp(path, { ignoreIcc: true, failOn: 'truncated' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
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
  using interleaved = torch.tensor(data, { shape: [1, info.height, info.width, info.channels] })
  if (info.channels === channels) return interleaved.permute([0, 3, 1, 2])
  if (info.channels === 1)
    return interleaved.expand([1, info.height, info.width, channels]).permute([0, 3, 1, 2])
  throw new SosError('ERR_IMAGE', `${path}: expected ${channels} channels but it decodes to ${info.channels}`)
}
