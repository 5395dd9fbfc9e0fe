import { checkExtents, colouredImage, paletteOf, type RawImage } from './image-format.js'

/** The header of a bitmap. */
interface Header {
  width: number
  height: number
  /** Whether the rows are stored from the bottom up, as usual. */
  bottomUp: boolean
  bits: number
  compression: number
  /** The number of colours in the palette. */
  colours: number
  /** The number of bytes of a colour in the palette. */
  colourBytes: number
  /** The offset of the palette, after the header. */
  end: number
  /** The offset of the pixels; 0 if the header does not give it. */
  pixels: number
  /** The bits of red, green, blue and alpha, if the compression is `bitFields`. */
  masks: readonly number[]
}

const uncompressed = 0
const runLength4 = 2
const bitFields = 3

/**
 * Decodes a Windows or OS/2 bitmap to the pixels of Pillow's convert('RGB'). It reads 1, 4 and 8 bits with a palette, also run-length encoded,
 * and 16, 24 and 32 bits with the bit fields that Pillow reads. Alpha is dropped.
 *
 * @throws Error if the file is damaged, is of another kind, or has too many pixels
 */
export function decodeBmp(bytes: Uint8Array): RawImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header = readHeader(view)
  checkExtents(header.width, header.height)
  if (header.bits > 8) return directPixels(bytes, view, header)
  const { bits, colours, colourBytes, end } = header
  if (colours > 65_536) throw new Error(`its palette has ${colours} colours`)
  const entries = bytes.subarray(end, Math.min(end + colourBytes * colours, bytes.length))
  const grey = isGrey(entries, colours, colourBytes)
  const palette = grey && colours !== 2 ? null : paletteOf(entries, colourBytes, [2, 1, 0])
  const start = header.pixels || end + colourBytes * colours
  if (header.compression !== uncompressed) {
    if (grey && colours === 2) throw new Error('it is run-length encoded, of two greys')
    const indices = runLengths(bytes, start, header, header.compression === runLength4)
    return colouredImage(upright(indices, header), header.width, header.height, palette)
  }
  // As in Pillow, pixels with a palette of black and white are read as bits, and those with a palette of greys as bytes.
  const read = grey ? (colours === 2 ? 1 : 8) : bits
  const indices = packedIndices(bytes, start, header, read)
  return colouredImage(upright(indices, header), header.width, header.height, palette)
}

function readHeader(view: DataView): Header {
  const size = view.getUint32(14, true)
  const offset = view.getUint32(10, true)
  if (size === 12) {
    const bits = view.getUint16(24, true)
    const colours = 2 ** bits
    return {
      width: view.getUint16(18, true),
      height: view.getUint16(20, true),
      bottomUp: true,
      bits: expectBits(bits),
      compression: uncompressed,
      colours,
      colourBytes: 3,
      end: 26,
      pixels: offset === 26 && bits <= 8 ? offset + 4 * colours : offset,
      masks: [],
    }
  }
  if (![40, 52, 56, 64, 108, 124].includes(size)) throw new Error(`its header has ${size} bytes`)
  const bottomUp = view.getUint8(25) !== 0xff
  const height = view.getUint32(22, true)
  const bits = expectBits(view.getUint16(28, true))
  const compression = view.getUint32(30, true)
  const colours = view.getUint32(46, true) || 2 ** bits
  const masks: number[] = []
  let end = 14 + size
  if (compression === bitFields) {
    for (let i = 0; i < (size >= 56 ? 4 : 3); i++) masks.push(view.getUint32(54 + 4 * i, true))
    if (size === 40) end += 12
    if (masks.length === 3) masks.push(0)
  } else if (compression > bitFields || (compression !== uncompressed && bits > 8)) {
    throw new Error(`its compression is ${compression} at ${bits} bits`)
  }
  return {
    width: view.getUint32(18, true),
    height: bottomUp ? height : 2 ** 32 - height,
    bottomUp,
    bits,
    compression,
    colours,
    colourBytes: 4,
    end,
    pixels: offset === 14 + size && bits <= 8 ? offset + 4 * colours : offset,
    masks,
  }
}

function expectBits(bits: number): number {
  if ([1, 4, 8, 16, 24, 32].includes(bits)) return bits
  throw new Error(`it has ${bits} bits for each pixel`)
}

/** Whether the palette is black and white, or the greys 0, 1, 2 and so on. */
function isGrey(entries: Uint8Array, colours: number, step: number): boolean {
  for (let i = 0; i < colours; i++) {
    const value = colours === 2 ? 255 * i : i
    for (let c = 0; c < 3; c++) if (entries[step * i + c] !== value) return false
  }
  return true
}

/** The number of bytes from the beginning of a row to the next. */
function strideOf({ width, bits }: Header): number {
  return Math.floor((width * bits + 31) / 32) * 4
}

/** The row of the file in which row `y` of the image lies. */
function rowAt(y: number, { bottomUp, height }: Header): number {
  return bottomUp ? height - 1 - y : y
}

/** Unpacks rows with `read` bits for each pixel, in the order of the file. */
function packedIndices(bytes: Uint8Array, start: number, header: Header, read: number): Uint8Array {
  const { width, height } = header
  const stride = strideOf(header)
  const used = Math.ceil((width * read) / 8)
  if (used > stride) throw new Error('its palette does not fit its pixels')
  expectPixels(bytes, start, read === 8 ? stride * height : stride * (height - 1) + used)
  const indices = new Uint8Array(width * height)
  const mask = (1 << read) - 1
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * read
      indices[y * width + x] = (bytes[start + y * stride + (bit >> 3)]! >> (8 - read - (bit & 7))) & mask
    }
  }
  return indices
}

/** Decodes run-length encoded rows, in the order of the file. Pixels that are skipped get the first colour. */
function runLengths(
  bytes: Uint8Array,
  start: number,
  { width, height }: Header,
  nibbles: boolean,
): Uint8Array {
  const indices = new Uint8Array(width * height)
  let [at, place, x] = [start, 0, 0]
  while (place < indices.length && at + 2 <= bytes.length) {
    const [count, value] = [bytes[at]!, bytes[at + 1]!]
    at += 2
    if (count > 0) {
      const fitting = Math.min(count, Math.max(0, width - x))
      for (let i = 0; i < fitting; i++) {
        indices[place + i] = !nibbles ? value : i % 2 === 0 ? value >> 4 : value & 15
      }
      place += fitting
      x += fitting
    } else if (value === 0) {
      place = Math.ceil(place / width) * width
      x = 0
    } else if (value === 1) {
      break
    } else if (value === 2) {
      throw new Error('its runs have jumps, which Pillow reads in another way')
    } else {
      const length = nibbles ? value >> 1 : value
      for (const byte of bytes.subarray(at, at + length)) {
        if (nibbles) indices[place++] = byte >> 4
        indices[place++] = nibbles ? byte & 15 : byte
      }
      at += length
      if (at > bytes.length) break
      x += value
      at += at % 2
    }
  }
  if (place < indices.length) throw new Error('it is truncated')
  return indices
}

/** The rows in the order of the image, from the top. */
function upright(rows: Uint8Array, header: Header): Uint8Array {
  if (!header.bottomUp) return rows
  const length = header.width
  const turned = new Uint8Array(rows.length)
  for (let y = 0; y < header.height; y++) {
    const from = rowAt(y, header) * length
    turned.set(rows.subarray(from, from + length), y * length)
  }
  return turned
}

/** The places of red, green and blue in the bytes of a pixel, by the bit fields, as Pillow lists them. */
const layouts: Record<string, readonly [number, number, number]> = {
  '24:ff0000,ff00,ff': [2, 1, 0],
  '32:ff0000,ff00,ff,0': [2, 1, 0],
  '32:ff000000,ff0000,ff00,0': [3, 2, 1],
  '32:ff000000,ff00,ff,0': [3, 1, 0],
  '32:ff000000,ff0000,ff00,ff': [3, 2, 1],
  '32:ff,ff00,ff0000,ff000000': [0, 1, 2],
  '32:ff0000,ff00,ff,ff000000': [2, 1, 0],
  '32:ff000000,ff00,ff,ff0000': [3, 1, 0],
  '32:0,0,0,0': [2, 1, 0],
}

/** Decodes 16, 24 and 32 bits for each pixel. */
function directPixels(bytes: Uint8Array, view: DataView, header: Header): RawImage {
  const { width, height, bits, compression, masks } = header
  const fields = (bits === 32 ? masks : masks.slice(0, 3)).map((mask) => mask.toString(16)).join(',')
  const wideGreen = bits === 16 && fields === 'f800,7e0,1f'
  const places = compression === bitFields ? layouts[`${bits}:${fields}`] : ([2, 1, 0] as const)
  if (
    bits === 16 ? compression === bitFields && !wideGreen && fields !== '7c00,3e0,1f' : places === undefined
  ) {
    throw new Error(`its bit fields are ${fields} at ${bits} bits`)
  }
  const [stride, start, size] = [strideOf(header), header.pixels || header.end, bits / 8]
  expectPixels(bytes, start, stride * (height - 1) + width * size)
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    let [from, to] = [start + rowAt(y, header) * stride, y * width * 3]
    for (let x = 0; x < width; x++, from += size, to += 3) {
      if (bits === 16) {
        const pixel = view.getUint16(from, true)
        const [red, most] = wideGreen ? [pixel >> 11, 63] : [(pixel >> 10) & 31, 31]
        data[to] = Math.floor((red * 255) / 31)
        data[to + 1] = Math.floor((((pixel >> 5) & most) * 255) / most)
        data[to + 2] = Math.floor(((pixel & 31) * 255) / 31)
      } else {
        for (let c = 0; c < 3; c++) data[to + c] = bytes[from + places![c]!]!
      }
    }
  }
  return { data, width, height, channels: 3 }
}

function expectPixels(bytes: Uint8Array, start: number, length: number): void {
  if (start + length > bytes.length) throw new Error('it is truncated')
}
