import { inflateSync } from 'node:zlib'
import { SosError } from '../base/index.js'

// The part of MATLAB's level 5 format ("MAT-File Format", The MathWorks) that is needed for a struct array of numbers and texts:
// a header of 128 bytes, then data elements. Each element is a tag (type, number of bytes) and its data, padded to 8 bytes.

/** The file of the development kit has some 2 MB, and 5 MB unpacked. These limits keep a small file from taking gigabytes. */
export const largestMatFile = 2 ** 24
const mostUnpacked = 2 ** 26
const mostValues = 500_000
const longestName = 256 // of variables and of fields; MATLAB's own have up to 63 characters

const headerBytes = 128
const miMatrix = 14
const miCompressed = 15
const mxStruct = 2
const mxChar = 4

/** The size of a number, and how it is read from a DataView, by the code of its type. */
const numberTypes: Record<number, [bytes: number, read: (view: DataView, at: number) => number]> = {
  1: [1, (view, at) => view.getInt8(at)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at) => view.getInt16(at, true)],
  4: [2, (view, at) => view.getUint16(at, true)],
  5: [4, (view, at) => view.getInt32(at, true)],
  6: [4, (view, at) => view.getUint32(at, true)],
  7: [4, (view, at) => view.getFloat32(at, true)],
  9: [8, (view, at) => view.getFloat64(at, true)],
  16: [1, (view, at) => view.getUint8(at)], // UTF-8; the texts that are needed here are ASCII
  17: [2, (view, at) => view.getUint16(at, true)], // UTF-16
}

interface Element {
  type: number
  data: DataView
}

/** The fields of one element of a struct array that are numbers or texts. Other values are left out. */
export type MatRecord = Record<string, number | string>

/**
 * Reads the struct array `name` of a little-endian MATLAB file of level 5.
 *
 * @param path the path of the file, for messages
 * @throws `ERR_DATASET` if the file is something else, is damaged, or has no such variable
 */
export function readMatStructs(path: string, bytes: Uint8Array, name: string): MatRecord[] {
  const bad = (why: string, cause?: unknown) =>
    new SosError(
      'ERR_DATASET',
      `${path}: expected a MATLAB 5 file with a struct array '${name}' but ${why}`,
      {
        cause,
      },
    )
  const file = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.byteLength < headerBytes || file.getUint32(124, true) !== 0x4d490100) {
    throw bad('it has another header (MATLAB saves such a file with save(…, "-v7"))')
  }
  try {
    let unpacked = 0
    for (const element of elements(view(file, headerBytes, file.byteLength - headerBytes))) {
      const variable = expand(element, mostUnpacked - unpacked)
      if (element.type === miCompressed) unpacked += variable.data.byteLength
      const records = structsOf(variable, name)
      if (records !== null) return records
    }
  } catch (cause) {
    throw bad('it is truncated or damaged', cause)
  }
  throw bad('it has no such variable')
}

/** A part of a view. Throws RangeError if it is beyond the end. */
function view(whole: DataView, start: number, length: number): DataView {
  if (start + length > whole.byteLength) throw new RangeError('beyond the end')
  return new DataView(whole.buffer, whole.byteOffset + start, length)
}

function* elements(data: DataView): Generator<Element> {
  for (let at = 0; at < data.byteLength; ) {
    const first = data.getUint32(at, true)
    const small = first >>> 16 // the tag itself has up to 4 bytes of data
    const type = small > 0 ? first & 0xffff : first
    const length = small > 0 ? small : data.getUint32(at + 4, true)
    if (small > 4) throw new RangeError('a small element of more than 4 bytes')
    yield { type, data: view(data, at + (small > 0 ? 4 : 8), length) }
    const padded = type === miCompressed ? length : Math.ceil(length / 8) * 8
    at += small > 0 ? 8 : 8 + padded
  }
}

function expand({ type, data }: Element, most: number): Element {
  if (type !== miCompressed) return { type, data }
  const packed = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const bytes = inflateSync(packed, { maxOutputLength: Math.max(1, most) })
  const [element] = elements(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  if (element === undefined) throw new RangeError('an empty variable')
  return element
}

/** The struct array in an element; null if the element is another variable. */
function structsOf({ type, data }: Element, name: string): MatRecord[] | null {
  if (type !== miMatrix) return null
  const parts = elements(data)
  const [flags, dimensions, ownName, fieldLength, fieldNames] = take(parts, 5)
  if (flags === undefined || (numbers(flags, 1)[0]! & 0xff) !== mxStruct) return null
  if (text(ownName, longestName) !== name) return null
  const width = numbers(fieldLength!, 1)[0]!
  if (!(width >= 1 && width <= longestName)) throw new RangeError('names of fields are too long')
  const joined = text(fieldNames, mostValues)
  const fields = Array.from({ length: Math.floor(joined.length / width) }, (_, i) => {
    const field = joined.slice(i * width, (i + 1) * width)
    return field.includes('\0') ? field.slice(0, field.indexOf('\0')) : field
  })
  // Each value of a record takes at least eight bytes, so the size of the file limits what is built.
  const count = numbers(dimensions!, 32).reduce((a, b) => a * b, 1)
  if (!(count >= 0 && fields.length >= 1 && count * fields.length <= mostValues)) {
    throw new RangeError('no fields, or too many records')
  }
  const values = take(parts, count * fields.length + 1)
  if (values.length !== count * fields.length) throw new RangeError('values are missing')
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      fields.flatMap((field, j) => {
        const value = contentOf(values[i * fields.length + j]!)
        return value === null ? [] : [[field, value]]
      }),
    ),
  )
}

/** The next elements, up to `most`. */
function take(from: Generator<Element>, most: number): Element[] {
  const taken: Element[] = []
  while (taken.length < most) {
    const { value, done } = from.next()
    if (done) break
    taken.push(value)
  }
  return taken
}

/** A text, or the only number of an array; null for anything else. */
function contentOf({ type, data }: Element): number | string | null {
  if (type !== miMatrix) return null
  const [flags, , , content] = take(elements(data), 4)
  if (content === undefined) return null
  if ((numbers(flags!, 1)[0]! & 0xff) === mxChar) return text(content, mostValues)
  if (content.type === miMatrix) return null
  const values = numbers(content, 2)
  return values.length === 1 ? values[0]! : null
}

/** The numbers in an element, up to `most`. */
function numbers({ type, data }: Element, most: number): number[] {
  const [bytes, read] = numberTypes[type] ?? []
  if (bytes === undefined || read === undefined) return []
  const length = Math.min(most, Math.floor(data.byteLength / bytes))
  return Array.from({ length }, (_, i) => read(data, i * bytes))
}

/** The text in an element. Throws RangeError if it is longer than `longest`. */
function text(element: Element | undefined, longest: number): string {
  if (element === undefined) return ''
  const codes = numbers(element, longest + 1)
  if (codes.length > longest) throw new RangeError('a text is too long')
  return codes.map((code) => String.fromCharCode(code)).join('')
}
