import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { clipped, SosError } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import {
  decodeJpeg,
  foreignFile,
  foreignFileStart,
  hasJpegDecoder,
  loadJpeg,
  preprocessBytes,
} from '../torch/internal.js'

import { decodeBmp } from './bmp.js'
import { decodeGif } from './gif.js'
import { formatOf, type RawImage } from './image-format.js'
import { decodePnm } from './pnm.js'
import { nativeRecipe, type Preprocess } from './preprocess.js'
import { decodeBySharp } from './sharp-image.js'

/** More than the pixels of the largest image take in any format, and less than Node reads at once. */
const largestFile = 2 ** 31 - 2

/** What decodes JPEG. PNG, WebP, TIFF, and what libturbojpeg leaves, is sharp's; GIF, BMP, PPM and PGM are decoded here. */
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
  return jpeg ?? (await decodeBytes(path, channels))
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
  const raw = await decodeRaw(path)
  // Straight from sharp's memory where it can be: a tensor a megabyte large for a moment makes the collector busy.
  const { data, height, width } = raw.channels === recipe.channels ? raw : converted(raw, recipe.channels)
  await preprocessBytes(data, [height, width, recipe.channels], native, batch, row)
}

async function decodeBytes(path: string, channels: 1 | 3): Promise<Tensor> {
  const raw = await decodeRaw(path)
  return scope(() => pixelsOf(raw, channels))
}

/** The bytes with other channels. */
function converted(raw: RawImage, channels: 1 | 3): RawImage {
  const data = scope(() => pixelsOf(raw, channels).permute([0, 2, 3, 1]).contiguous().toTypedArray())
  return { ...raw, data: data as Uint8Array, channels }
}

/** uint8 [1, channels, height, width] */
function pixelsOf({ data, height, width, channels: stored }: RawImage, channels: 1 | 3): Tensor {
  const shape = [1, height, width, stored]
  const pixels = torch.fromBuffer(data, { dtype: 'uint8', shape }).permute([0, 3, 1, 2])
  if (stored === 1) return pixels.expand([1, channels, height, width])
  const rgb = stored === 4 ? rgbOfCmyk(pixels) : pixels
  return channels === 1 ? luma(rgb) : rgb
}

/** Grey, RGB or CMYK, a byte each, by the decoder of what the file's first bytes say that it is. */
async function decodeRaw(path: string): Promise<RawImage> {
  const bytes = await read(path)
  try {
    const format = formatOf(bytes)
    if (format === null) throw new Error(notAnImage(bytes))
    if (format === 'gif') return decodeGif(bytes)
    if (format === 'bmp') return decodeBmp(bytes)
    if (format === 'pnm') return decodePnm(bytes)
    return await decodeBySharp(bytes, format)
  } catch (cause) {
    // A RangeError comes from a read beyond the end of the file's bytes.
    const reason = cause instanceof RangeError ? 'it is truncated' : (cause as Error).message.split('\n')[0]!
    throw new SosError('ERR_IMAGE', `${path}: the image cannot be decoded: ${clipped(reason, 200)}`, {
      cause,
    })
  }
}

function notAnImage(bytes: Uint8Array): string {
  const foreign = foreignFile(bytes.subarray(0, foreignFileStart))
  const what = foreign === undefined ? '' : `; this is ${foreign}`
  return `its first bytes are those of no JPEG, PNG, WebP, GIF, TIFF, BMP, PPM or PGM${what}`
}

/** Throws `ERR_IMAGE` for a file that is larger than any image, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`. */
async function read(path: string): Promise<Buffer> {
  try {
    // Without O_NONBLOCK, to open a pipe waits for its other end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = await file.stat()
    if (!status.isFile()) throw new Error('this is no file')
    if (status.size > largestFile) {
      throw new SosError('ERR_IMAGE', `${path}: expected an image but the file has ${status.size} bytes`)
    }
    return await file.readFile()
  } catch (cause) {
    if (cause instanceof SosError) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    throw new SosError(
      code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE',
      `${path}: the image cannot be read: ${message}`,
      { cause },
    )
  }
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
