import { checkExtents, colouredImage, paletteOf, type RawImage } from './image-format.js'

/**
 * Decodes the first frame of a GIF to the pixels of Pillow's convert('RGB'). A transparent pixel has its colour in the palette. What the frame
 * does not cover has the transparent colour, or the first colour if there is none. (libvips makes both black.)
 * https://www.w3.org/Graphics/GIF/spec-gif89a.txt
 *
 * @throws Error if the file is damaged or has too many pixels
 */
export function decodeGif(bytes: Uint8Array): RawImage {
  const reader = new Reader(bytes)
  const screen = reader.take(13)
  const view = new DataView(screen.buffer, screen.byteOffset)
  let [width, height] = [view.getUint16(6, true), view.getUint16(8, true)]
  let palette = (screen[10]! & 0x80) !== 0 ? coloursOf(reader, screen[10]!) : null
  let transparent: number | null = null
  for (;;) {
    const kind = reader.byte()
    if (kind === trailer) throw new Error('it has no image')
    if (kind === extension) {
      const control = reader.byte() === graphicControl
      const block = reader.block()
      if (control && block.length >= 4 && (block[0]! & 1) !== 0) transparent = block[3]!
      if (block.length > 0) while (reader.block().length > 0);
    }
    if (kind === imageSeparator) break
  }
  const place = reader.take(9)
  const frame = new DataView(place.buffer, place.byteOffset)
  const [left, top] = [frame.getUint16(0, true), frame.getUint16(2, true)]
  const [columns, rows] = [frame.getUint16(4, true), frame.getUint16(6, true)]
  const flags = place[8]!
  if ((flags & 0x80) !== 0) palette = coloursOf(reader, flags)
  width = Math.max(width, left + columns)
  height = Math.max(height, top + rows)
  checkExtents(columns, rows)
  checkExtents(width, height)
  const indices = new Uint8Array(width * height).fill(transparent ?? 0)
  const codes = reader.byte()
  if (codes > longestCode) throw new Error(`its codes begin with ${codes} bits`)
  const lines = rowOrder(rows, (flags & 0x40) !== 0)
  let [line, x] = [0, 0]
  decompress(reader, codes, (index) => {
    indices[(top + lines[line]!) * width + left + x] = index
    if (++x < columns) return false
    x = 0
    return ++line === rows
  })
  return colouredImage(indices, width, height, palette)
}

const extension = 0x21
const imageSeparator = 0x2c
const trailer = 0x3b
const graphicControl = 0xf9
const longestCode = 12

/** The palette that comes next; the flags have its size. */
function coloursOf(reader: Reader, flags: number): Uint8Array {
  return paletteOf(reader.take(6 << (flags & 7)), 3, [0, 1, 2])
}

/** The order in which the rows come. In an interlaced frame it is every eighth row first, then those between, and so on. */
function rowOrder(rows: number, interlaced: boolean): Uint16Array {
  const passes = interlaced ? [[0, 8], [4, 8], [2, 4], [1, 2]] : [[0, 1]] // biome-ignore format: start and step
  const order = new Uint16Array(rows)
  let count = 0
  for (const [start, step] of passes) for (let y = start!; y < rows; y += step!) order[count++] = y
  return order
}

/** Decodes LZW codes of 3 to 12 bits. It gives each index to `write` until that returns true, when there is no room for more. */
function decompress(reader: Reader, bits: number, write: (index: number) => boolean): void {
  const clear = 1 << bits
  const table = 1 << longestCode
  const last = new Uint8Array(table) // the last index of each string
  const before = new Uint16Array(table) // the code of the indices before it
  const string = new Uint8Array(table)
  let [next, size, previous, first] = [clear + 2, bits + 1, -1, 0]
  for (;;) {
    let code = reader.bits(size)
    if (code === clear) {
      ;[next, size, previous] = [clear + 2, bits + 1, -1]
      continue
    }
    if (code === clear + 1) throw new Error('it is truncated: its codes end before its last pixel')
    const given = code
    let length = 0
    if (previous < 0) {
      if (code > clear) throw new Error('a code stands for nothing')
    } else {
      if (code > next) throw new Error('a code stands for nothing')
      if (code === next) {
        string[length++] = first
        code = previous
      }
      while (code >= clear) {
        if (length >= table) throw new Error('a code stands for itself')
        string[length++] = last[code]!
        code = before[code]!
      }
    }
    first = code
    string[length++] = code
    if (previous >= 0 && next < table) {
      last[next] = first
      before[next] = previous
      if (next === (1 << size) - 1 && size < longestCode) size++
      next++
    }
    previous = given
    while (length > 0) if (write(string[--length]!)) return
  }
}

/** Reads bytes, sub-blocks (a length, then as many bytes), and codes in such blocks, beginning with the lowest bit. */
class Reader {
  readonly #bytes: Uint8Array
  #at = 0
  #blockEnd = 0
  #bits = 0
  #count = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new Error('it is truncated')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  byte(): number {
    return this.take(1)[0]!
  }

  /** The next sub-block; an empty one ends a sequence of them. */
  block(): Uint8Array {
    return this.take(this.byte())
  }

  bits(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#blockEnd) {
        const length = this.byte()
        this.take(length) // the block must be complete
        this.#at -= length
        this.#blockEnd = this.#at + length
        continue
      }
      this.#bits |= this.#bytes[this.#at++]! << this.#count
      this.#count += 8
    }
    const value = this.#bits & ((1 << count) - 1)
    this.#bits >>>= count
    this.#count -= count
    return value
  }
}
