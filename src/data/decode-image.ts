import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { clipped, SosError } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { decodeJpeg, foreignFile, foreignFileStart, loadJpeg, preprocessBytes } from '../torch/internal.js'

import { decodeBmp } from './bmp.js'
import { type Decoder, decoderOfJpeg } from './decoder.js'
import { decodeGif } from './gif.js'
import { formatOf, type RawImage } from './image-format.js'
import { decodePnm } from './pnm.js'
import { nativeRecipe, type Preprocess } from './preprocess.js'
import { decodeBySharp } from './sharp-image.js'

/** More than the largest image takes in any format. Node cannot read more than this at once. */
const largestFile = 2 ** 31 - 2

/**
 * Decodes an image file to the pixels of Pillow's convert('RGB') or convert('L'). Embedded colour profiles and the EXIF orientation are
 * ignored, and an alpha channel is dropped. JPEG, PNG, WebP and TIFF are decoded off the event loop.
 *
 * @param decoder what decodes JPEG. Default: libturbojpeg if the addon has it, else sharp
 * @returns uint8 [1, channels, H, W]
 * @throws `ERR_NOT_BUILT` for a decoder that the addon does not have; `ERR_IMAGE` if the file is corrupt or has more than 178,956,970 pixels, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function decodeImage(path: string, channels: 1 | 3, decoder?: Decoder): Promise<Tensor> {
  const jpeg = decoderOfJpeg(decoder) === 'libturbojpeg' ? await decodeJpeg(path, channels) : null
  return jpeg ?? (await decodeBytes(path, channels))
}

/**
 * Decodes an image file as {@link decodeImage} does, and preprocesses it off the event loop. For a JPEG this is one piece of work.
 *
 * @param batch float32 [N, channels, crop, crop]; the image is written to its row `row`
 * @throws as {@link decodeImage}
 */
export async function loadImage(
  path: string,
  recipe: Preprocess,
  batch: Tensor,
  row: number,
  decoder?: Decoder,
): Promise<void> {
  const native = nativeRecipe(recipe)
  if (decoderOfJpeg(decoder) === 'libturbojpeg' && (await loadJpeg(path, native, batch, row))) return
  const raw = await decodeRaw(path)
  // Directly from sharp's memory if possible: short-lived tensors of a megabyte would keep the garbage collector busy.
  const { data, height, width } = raw.channels === recipe.channels ? raw : converted(raw, recipe.channels)
  await preprocessBytes(data, [height, width, recipe.channels], native, batch, row)
}

async function decodeBytes(path: string, channels: 1 | 3): Promise<Tensor> {
  const raw = await decodeRaw(path)
  return scope(() => pixelsOf(raw, channels))
}

/** The image with another number of channels. */
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

/** The pixels as grey, RGB or CMYK, one byte each. The first bytes of the file decide which decoder is used. */
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
  return `its first bytes are not those of a JPEG, PNG, WebP, GIF, TIFF, BMP, PPM or PGM${what}`
}

/** Throws `ERR_IMAGE` if the file is larger than any image, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`. */
async function read(path: string): Promise<Buffer> {
  try {
    // Without O_NONBLOCK, opening a pipe would wait for its other end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = await file.stat()
    if (!status.isFile()) throw new Error('this is not a file')
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

/** Converts CMYK as Pillow does, without colour profiles: (255 − ink) · (255 − K) / 255, rounded as Pillow rounds. */
function rgbOfCmyk(cmyk: Tensor): Tensor {
  const wide = cmyk.to('int32')
  const paper = wide.narrow(1, 3, 1).neg().add(255)
  const product = wide.narrow(1, 0, 3).mul(paper).add(128)
  return paper.sub(product.__rshift__(8).add(product).__rshift__(8)).to('uint8')
}
