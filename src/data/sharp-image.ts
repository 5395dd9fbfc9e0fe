import sharp from 'sharp'

import { checkExtents, type ImageFormat, mostPixels, type RawImage } from './image-format.js'
import { jpegFrame } from './jpeg-frame.js'
import { tiffOrientation } from './tiff-kind.js'

// Several images are decoded at the same time. Threads within one image would only compete with them and with libtorch.
sharp.concurrency(1)
sharp.cache(false)

// The first bytes of a file say what it is, and libvips looks at them too. Still, all loaders are blocked that could run a program (SVG, PDF),
// read other files, or take more from a JPEG than its pixels. This holds in the whole process; sharp.unblock() undoes it for an application.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Tiff'].map((format) => `VipsForeignLoad${format}`),
})

/** Seconds after which libvips is stopped when it works on an image line by line. The largest image takes a few seconds. */
const longest = 60

/**
 * Decodes an image to the pixels of Pillow: grey, RGB or CMYK, one byte each. Colour profiles are ignored and alpha is dropped.
 *
 * @throws Error if the file is damaged, is of a kind that Pillow does not read, or has too many pixels
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
  // Pillow applies the orientation of a TIFF, and of no other format.
  if (orientation !== 1) image.autoOrient()
  // CMYK is taken as it is stored, since libvips would convert it with a colour profile. As in Pillow, 16-bit greyscale is cut off at 255
  // and not scaled; other images of 16 bits lose their lower byte, and so does greyscale with alpha.
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

/** The place of the colour type in the header of a PNG. */
const pngColourType = 25
const greyWithAlpha = 4

/** The upper bytes of numbers of 16 bits in the byte order of this machine. */
function upperBytes(data: Buffer): Uint8Array {
  const numbers = new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
  return Uint8Array.from(numbers, (value) => value >> 8)
}
