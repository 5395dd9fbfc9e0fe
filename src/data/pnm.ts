import { checkExtents, type RawImage } from './image-format.js'

const [lineFeed, carriageReturn, comment] = [0x0a, 0x0d, 0x23]
/** Longer numbers are refused, as in Pillow. */
const longestNumber = 10
/** The largest value of 16 bits. */
const deep = 65_535

/**
 * Decodes a PPM, PGM or PBM (`P1` to `P6`) to the pixels of Pillow's convert('RGB'). The pixels are bits, greys or colours, as bytes or as
 * numbers in text, and the header has their largest value. Greys of more than 8 bits are cut off at 255, colours of more than 8 bits are
 * scaled.
 *
 * @throws Error if the file is damaged or has too many pixels
 */
export function decodePnm(bytes: Uint8Array): RawImage {
  const header = new Header(bytes)
  const kind = bytes[1]! - 0x30
  const plain = kind <= 3
  const [width, height] = [header.number(), header.number()]
  checkExtents(width, height)
  const channels = kind === 3 || kind === 6 ? 3 : 1
  const bits = kind === 1 || kind === 4
  const largest = bits ? 1 : header.number()
  if (largest < 1 || largest > deep)
    throw new Error(`its largest value is ${largest}, which is not from 1 to ${deep}`)
  const rest = bytes.subarray(header.position)
  const count = width * height * channels
  if (bits) {
    const data = plain ? plainBits(rest, count) : packedBits(rest, width, height)
    return { data, width, height, channels }
  }
  const scale = scaled(largest, channels === 1 && largest > 255 ? deep : 255)
  const data = plain ? plainNumbers(rest, count, largest, scale) : binary(rest, count, largest, scale)
  return { data, width, height, channels }
}

/** The numbers at the beginning of the file. One blank ends each of them. */
class Header {
  /** The place of the next byte; at first after the magic number and its blank. */
  position = 3
  constructor(readonly bytes: Uint8Array) {}

  number(): number {
    let digits = ''
    for (;;) {
      const byte = this.bytes[this.position++]
      if (byte === undefined || (isBlank(byte) && digits !== '')) break
      if (isBlank(byte)) continue
      if (byte === comment) this.position = afterLine(this.bytes, this.position)
      else digits += String.fromCharCode(byte)
      if (digits.length > longestNumber) break
    }
    if (!/^\d+$/.test(digits) || digits.length > longestNumber) throw new Error('its header is damaged')
    return Number(digits)
  }
}

/** The byte in the image for each value in the file, rounded as in Python: halves to even. */
function scaled(largest: number, most: number): Uint8Array {
  return Uint8Array.from({ length: largest > 255 ? deep + 1 : 256 }, (_, value) => {
    const exact = (value / largest) * most
    const below = Math.floor(exact)
    const up = exact - below > 0.5 || (exact - below === 0.5 && below % 2 === 1)
    return Math.min(255, below + (up ? 1 : 0))
  })
}

function binary(rest: Uint8Array, count: number, largest: number, scale: Uint8Array): Uint8Array {
  const size = largest > 255 ? 2 : 1
  if (rest.length < count * size) throw truncated()
  const data = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    data[i] = scale[size === 1 ? rest[i]! : 256 * rest[2 * i]! + rest[2 * i + 1]!]!
  }
  return data
}

function packedBits(rest: Uint8Array, width: number, height: number): Uint8Array {
  const rowBytes = Math.ceil(width / 8)
  if (rest.length < rowBytes * height) throw truncated()
  const data = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = (rest[y * rowBytes + (x >> 3)]! >> (7 - (x & 7))) & 1
      data[y * width + x] = bit === 1 ? 0 : 255
    }
  }
  return data
}

function plainBits(rest: Uint8Array, count: number): Uint8Array {
  const data = new Uint8Array(count)
  let found = 0
  for (let i = 0; i < rest.length; i++) {
    const byte = rest[i]!
    if (byte === comment) i = afterLine(rest, i) - 1
    else if (byte === 0x30 || byte === 0x31) {
      if (found < count) data[found++] = byte === 0x31 ? 0 : 255
    } else if (!isBlank(byte)) throw new Error('expected 0 or 1 for each pixel')
  }
  if (found < count) throw truncated()
  return data
}

function plainNumbers(rest: Uint8Array, count: number, largest: number, scale: Uint8Array): Uint8Array {
  const data = new Uint8Array(count)
  let found = 0
  let digits = 0
  let value = 0
  for (let i = 0; i <= rest.length && found < count; i++) {
    const byte = rest[i] ?? lineFeed
    if (byte === comment) {
      i = afterLine(rest, i) - 1
    } else if (!isBlank(byte)) {
      if (byte < 0x30 || byte > 0x39 || ++digits > longestNumber) throw new Error('a number is damaged')
      value = 10 * value + byte - 0x30
    } else if (digits > 0) {
      if (value > largest) throw new Error(`a number is ${value}, above the largest, ${largest}`)
      data[found++] = scale[value]!
      digits = 0
      value = 0
    }
  }
  if (found < count) throw truncated()
  return data
}

/** The place after the line of `from`. What is before a comment and what is after its line are one word. */
function afterLine(bytes: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== lineFeed && bytes[at] !== carriageReturn) at++
  return Math.min(at + 1, bytes.length)
}

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
const truncated = (): Error => new Error('it is truncated')
