/** Files of MATLAB's level 5 format by hand, after "MAT-File Format" (The MathWorks): elements of a tag (type, bytes) and data. */

/** The types of data elements, by their names in the format's description. */
export const mi = {
  ...{ INT8: 1, UINT8: 2, INT16: 3, UINT16: 4, INT32: 5, UINT32: 6, SINGLE: 7, DOUBLE: 9, MATRIX: 14 },
  ...{ COMPRESSED: 15, UTF8: 16, UTF16: 17 },
} as const
const mx = { STRUCT: 2, CHAR: 4, DOUBLE: 6 } as const

/** A data element, padded to 8 bytes; `small` ones hold up to 4 bytes beside their tag. */
export function element(type: number, data: Buffer, small = false): Buffer {
  if (small) return Buffer.concat([u32((data.length << 16) | type), data, Buffer.alloc(4 - data.length)])
  return Buffer.concat([u32(type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)])
}

/** An array [1, 1] of a number, or [1, n] of a text, whose data are in an element of any type. */
export function array(content: Buffer, kind: 'number' | 'text' = 'number', length = 1): Buffer {
  const parts = [flags(kind === 'text' ? mx.CHAR : mx.DOUBLE), dimensions(1, length), element(mi.INT8, none)]
  return element(mi.MATRIX, Buffer.concat([...parts, content]))
}

/** A struct array `name` [records, 1]: the values of each record, in the order of the fields. */
export function structArray(
  name: string,
  fields: readonly string[],
  records: readonly (readonly Buffer[])[],
): Buffer {
  const names = fields.map((field) => Buffer.concat([Buffer.from(field), Buffer.alloc(32 - field.length)]))
  const parts = [flags(mx.STRUCT), dimensions(records.length, 1), element(mi.INT8, Buffer.from(name))]
  parts.push(element(mi.INT32, u32(32), true), element(mi.INT8, Buffer.concat(names)))
  return element(mi.MATRIX, Buffer.concat([...parts, ...records.flat()]))
}

/** A whole file: a header of 128 bytes, with the version and the order of bytes at its end, and variables. */
export function matFile(...variables: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(128, ' ')
  header.write('MATLAB 5.0 MAT-file')
  header.writeUInt16LE(0x0100, 124)
  header.write('IM', 126)
  return Buffer.concat([header, ...variables])
}

const none = Buffer.alloc(0)
const flags = (kind: number) => element(mi.UINT32, u32(kind, 0))
const dimensions = (...extents: number[]) => element(mi.INT32, u32(...extents))

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => void bytes.writeUInt32LE(value >>> 0, 4 * i))
  return bytes
}
