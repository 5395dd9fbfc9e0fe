import { readFile } from 'node:fs/promises'

import sharp from 'sharp'

import { SosError } from '../torch/errors.js'
import { decodeJpeg, hasJpegDecoder, loadJpeg, preprocessBytes } from '../torch/images.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import { nativeRecipe, type Preprocess } from './preprocess.js'

// Images are decoded side by side; threads within one would only compete with them and with libtorch.
sharp.concurrency(1)
sharp.cache(false)

/** Pillow's limit (twice its MAX_IMAGE_PIXELS), as the addon has it. */
const mostPixels = 178_956_970

/** What decodes JPEG; everything else, and what libturbojpeg leaves, is sharp's. */
export type Decoder = 'libturbojpeg' | 'sharp'

export const defaultDecoder: Decoder = hasJpegDecoder ? 'libturbojpeg' : 'sharp'

/**
 * Decodes an image file off the event loop as Pillow's convert('RGB') or convert('L') does: embedded colour profiles and
 * the EXIF orientation are ignored, an alpha channel is dropped.
 *
 * @returns uint8 [1, channels, H, W]
 * @throws `ERR_IMAGE` for a corrupt file or one of more than 178,956,970 pixels, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function decodeImage(
  path: string,
  channels: 1 | 3,
  decoder: Decoder = defaultDecoder,
): Promise<Tensor> {
  const jpeg = decoder === 'libturbojpeg' ? await decodeJpeg(path, channels) : null
  return jpeg ?? (await decodeBySharp(path, channels))
}

/**
 * Decodes an image file and preprocesses it, all off the event loop. For a JPEG that is one piece of work.
 *
 * @param batch where it goes: float32 [N, channels, crop, crop], at `row`
 * @throws as {@link decodeImage}
 */
export async function loadImage(
  path: string,
  recipe: Preprocess,
  batch: Tensor,
  row: number,
  decoder: Decoder = defaultDecoder,
): Promise<void> {
  const native = nativeRecipe(recipe)
  if (decoder === 'libturbojpeg' && (await loadJpeg(path, native, batch, row))) return
  const raw = await decodeRaw(path, await read(path))
  // Straight from sharp's memory where it can be: a tensor a megabyte large for a moment makes the collector busy.
  const { data, height, width } = raw.channels === recipe.channels ? raw : converted(raw, recipe.channels)
  await preprocessBytes(data, [height, width, recipe.channels], native, batch, row)
}

/** Decoded bytes, [height, width, channels]. */
interface Raw {
  data: Uint8Array
  height: number
  width: number
  channels: number
}

async function decodeBySharp(path: string, channels: 1 | 3): Promise<Tensor> {
  const raw = await decodeRaw(path, await read(path))
  return scope(() => pixelsOf(raw, channels))
}

/** The bytes with other channels. */
function converted(raw: Raw, channels: 1 | 3): Raw {
  const data = scope(() => pixelsOf(raw, channels).permute([0, 2, 3, 1]).contiguous().toTypedArray())
  return { ...raw, data: data as Uint8Array, channels }
}

/** uint8 [1, channels, height, width] */
function pixelsOf({ data, height, width, channels: stored }: Raw, channels: 1 | 3): Tensor {
  const shape = [1, height, width, stored]
  const pixels = torch.fromBuffer(data, { dtype: 'uint8', shape }).permute([0, 3, 1, 2])
  if (stored === 1) return pixels.expand([1, channels, height, width])
  const rgb = stored === 4 ? rgbOfCmyk(pixels) : pixels
  return channels === 1 ? luma(rgb) : rgb
}

/** Grey, RGB or CMYK, a byte each. */
async function decodeRaw(path: string, bytes: Buffer): Promise<Raw> {
  try {
    const image = sharp(bytes, {
      ignoreIcc: true,
      failOn: 'truncated',
      limitInputPixels: mostPixels,
      sequentialRead: true,
    })
    const space = isThreeChannelJpeg(bytes) ? 'srgb' : (await image.metadata()).space
    // CMYK as it is stored, since libvips would go through a colour profile. 16-bit greyscale is cut off at 255, as
    // Pillow does, and not scaled; other images of 16 bits lose their lower byte in both.
    if (space === 'cmyk') image.pipelineColourspace('cmyk').toColourspace('cmyk')
    else image.toColourspace(space === 'grey16' ? 'grey16' : 'srgb').removeAlpha()
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
    return { data, height: info.height, width: info.width, channels: info.channels }
  } catch (cause) {
    throw new SosError(
      'ERR_IMAGE',
      `${path}: the image cannot be decoded: ${(cause as Error).message.split('\n')[0]}`,
      { cause },
    )
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new SosError(
      code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE',
      `${path}: the image cannot be read: ${message}`,
      { cause },
    )
  }
}

/** Whether this is a JPEG of three components by its frame header: the common case, of which nothing more is asked. */
function isThreeChannelJpeg(bytes: Buffer): boolean {
  if (bytes.length < 2 || bytes.readUInt16BE(0) !== 0xffd8) return false
  for (let at = 2; at + 9 < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes.readUInt16BE(at)
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)
    if (isFrame) return bytes[at + 9] === 3
    if (marker <= 0xff01 || (marker >= 0xffd0 && marker <= 0xffda)) return false
  }
  return false
}

/** ITU-R 601 luma in 16-bit fixed point, as Pillow's convert('L') computes it. */
function luma(rgb: Tensor): Tensor {
  const weights = torch.tensor([19595, 38470, 7471], { dtype: 'int32' }).view([1, 3, 1, 1])
  return rgb.to('int32').mul(weights).sum([1], true).add(0x8000).__rshift__(16).to('uint8')
}

/** Without colour profiles, as Pillow does it: (255 − ink) · (255 − K) / 255, rounded its way. */
function rgbOfCmyk(cmyk: Tensor): Tensor {
  const wide = cmyk.to('int32')
  const paper = wide.narrow(1, 3, 1).neg().add(255)
  const product = wide.narrow(1, 0, 3).mul(paper).add(128)
  return paper.sub(product.__rshift__(8).add(product).__rshift__(8)).to('uint8')
}
