import fc from 'fast-check'

/** A change of a file's bytes; as JSON it is a reproducer. */
export type Edit =
  | { kind: 'keep'; length: number }
  | { kind: 'flip'; bit: number }
  | { kind: 'write'; at: number; bytes: number[] }
  | { kind: 'insert'; at: number; bytes: number[] }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'repeat'; at: number; length: number; times: number }

export function edited(file: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce(editedOnce, Buffer.from(file))
}

function editedOnce(file: Buffer, edit: Edit): Buffer {
  switch (edit.kind) {
    case 'keep':
      return file.subarray(0, edit.length)
    case 'flip':
      if (edit.bit >> 3 < file.length) file[edit.bit >> 3]! ^= 1 << (edit.bit & 7)
      return file
    case 'write':
      file.set(edit.bytes.slice(0, Math.max(0, file.length - edit.at)), Math.min(edit.at, file.length))
      return file
    case 'insert':
      return Buffer.concat([file.subarray(0, edit.at), Buffer.from(edit.bytes), file.subarray(edit.at)])
    case 'cut':
      return Buffer.concat([file.subarray(0, edit.at), file.subarray(edit.at + edit.length)])
    case 'repeat': {
      const part = file.subarray(edit.at, edit.at + edit.length)
      return Buffer.concat([
        file.subarray(0, edit.at),
        ...Array(edit.times).fill(part),
        file.subarray(edit.at),
      ])
    }
  }
}

/** One to four edits of a file of `size` bytes. Numbers that are written are most often those at a type's ends. */
export function editsOf(size: number): fc.Arbitrary<Edit[]> {
  const at = fc.nat({ max: Math.max(0, size - 1) })
  const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }))
  const number = fc
    .tuple(fc.constantFrom(2, 4, 8), fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.boolean())
    .map(([length, top, isTop]) => Array.from({ length }, (_, i) => (isTop && i < length - 1 ? 0xff : top)))
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('keep' as const), length: at }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('flip' as const), bit: fc.nat({ max: size * 8 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), at, bytes: number }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        at,
        bytes: fc.array(byte, { maxLength: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('insert' as const),
        at,
        bytes: fc.array(byte, { maxLength: 9 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('cut' as const),
        at,
        length: fc.integer({ min: 1, max: 40 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('repeat' as const),
        at,
        length: fc.integer({ min: 1, max: 60 }),
        times: fc.constantFrom(1, 2, 300),
      }),
    },
  )
  return fc.array(edit, { minLength: 1, maxLength: 4 })
}
