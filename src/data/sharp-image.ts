import sharp from 'sharp'

import { checkExtents, type ImageFormat, mostPixels, type RawImage } from './image-format.js'
import { jpegFrame } from './jpeg-frame.js'
import { tiffOrientation } from './tiff-kind.js'

// Images are decoded side by side; threads within one would only compete with them and with libtorch.
sharp.concurrency(1)
sharp.cache(false)

// What a file is, its first bytes say, and libvips looks at them too; yet no loader is left that could run a program (SVG, PDF), reads other
// files, or takes a JPEG for something more than its pixels. In the whole process: sharp.unblock() gives an application its own back.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Tiff'].map((format) => `VipsForeignLoad${format}`),
})

/** Seconds after which libvips is stopped where it works on an image line by line. The largest image takes a few. */
const longest = 60

/**
 * Decodes the bytes of an image as Pillow does: grey, RGB or CMYK, a byte each. Colour profiles are ignored, alpha is dropped.
 *
 * @throws Error where it is damaged, of a kind that Pillow does not read, or has more pixels than are decoded
 */
export async function decodeBySharp(
  bytes: Buffer,
  format: Exclude<ImageFormat, 'gif' | 'bmp' | 'pnm'>,
): Promise<RawImage> {
  const components = format === 'jpeg' ? jpegFrame(bytes).components : null
  const orientation = format === 'tiff' ? tiffOrientation(bytes) : 1
  const image = sharp(bytes, {
    ignoreIcc: true,
    // libvips gives black lines for what a truncated TIFF lacks, unless every error of libtiff fails.
    failOn: format === 'tiff' ? 'error' : 'truncated',
    limitInputPixels: mostPixels,
    sequentialRead: orientation === 1,
  }).timeout({ seconds: longest })
  const { space, width, height } = components === 3 ? { space: 'srgb' } : await byLibvips(image.metadata())
  if (width !== undefined && height !== undefined) checkExtents(width, height)
  // Pillow turns a TIFF as it tells, and no other format.
  if (orientation !== 1) image.autoOrient()
  // CMYK as it is stored, since libvips would go through a colour profile. 16-bit greyscale is cut off at 255, as
  // Pillow does, and not scaled; other images of 16 bits lose their lower byte in both, and so does greyscale with alpha.
  if (space === 'cmyk') image.pipelineColourspace('cmyk').toColourspace('cmyk')
  else image.toColourspace(space === 'grey16' ? 'grey16' : 'srgb').removeAlpha()
  const isDeep = space === 'grey16' && format === 'png' && bytes[pngColourType] === greyWithAlpha
  const { data, info } = await byLibvips(
    image.raw(isDeep ? { depth: 'ushort' } : {}).toBuffer({ resolveWithObject: true }),
  )
  const { width: columns, height: rows, channels } = info
  return { data: isDeep ? upperBytes(data) : data, height: rows, width: columns, channels }
}

/** What libvips makes of an image; its terse errors ("vipspng: libpng read error") are put in words. */
async function byLibvips<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const { message } = cause as Error
    if (/pixel limit|timeout/i.test(message)) throw cause
    const said = message
      .split('\n')[0]!
      .replace(/^Input buffer has corrupt header: ?/, '')
      .trim()
    throw new Error(`it is truncated or damaged${said && ` (${said})`}`, { cause })
  }
}

/** In a PNG's header. */
const pngColourType = 25
const greyWithAlpha = 4

/** Of numbers of 16 bits, as they lie in this machine's memory. */
function upperBytes(data: Buffer): Uint8Array {
  const numbers = new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
  return Uint8Array.from(numbers, (value) => value >> 8)
}
