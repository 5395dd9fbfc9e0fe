/** The formats of image files. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'bmp' | 'pnm'

/** The largest number of pixels of an image: Pillow's limit, twice its MAX_IMAGE_PIXELS. The addon has the same. */
export const mostPixels = 178_956_970

/** Decoded bytes, [height, width, channels]. */
export interface RawImage {
  data: Uint8Array
  height: number
  width: number
  channels: number
}

/** The format of an image by its first bytes, regardless of its name; null for anything else. */
export function formatOf(bytes: Uint8Array): ImageFormat | null {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(12, bytes.byteLength)).toString('latin1')
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (start.startsWith('RIFF') && start.startsWith('WEBP', 8)) return 'webp'
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'gif'
  if (start.startsWith('II\x2a\0') || start.startsWith('MM\0\x2a')) return 'tiff'
  if (/^P[1-6][\t-\r ]/.test(start)) return 'pnm'
  return start.startsWith('BM') ? 'bmp' : null
}

/** @throws Error if an image has no pixels or too many */
export function checkExtents(width: number, height: number): void {
  if (width >= 1 && height >= 1 && width * height <= mostPixels) return
  throw new Error(`expected an image of 1 to ${mostPixels} pixels but this one has ${width}×${height}`)
}

/** The RGB values of 256 colours. A file has the first of them, and the others are black. `order` has the places of R, G and B. */
export function paletteOf(
  bytes: Uint8Array,
  step: number,
  order: readonly [number, number, number],
): Uint8Array {
  const palette = new Uint8Array(768)
  const count = Math.min(256, Math.floor(bytes.length / step))
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++) palette[3 * i + c] = bytes[step * i + order[c]!]!
  return palette
}

/** The image whose pixels have the colours `indices` in a palette. Without a palette they are greys. */
export function colouredImage(
  indices: Uint8Array,
  width: number,
  height: number,
  palette: Uint8Array | null,
): RawImage {
  if (palette === null) return { data: indices, width, height, channels: 1 }
  const data = new Uint8Array(indices.length * 3)
  for (let i = 0; i < indices.length; i++) {
    const from = 3 * indices[i]!
    data[3 * i] = palette[from]!
    data[3 * i + 1] = palette[from + 1]!
    data[3 * i + 2] = palette[from + 2]!
  }
  return { data, width, height, channels: 3 }
}
