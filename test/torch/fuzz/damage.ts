import fc from 'fast-check'

import { readArchive, writeArchive } from './zip.js'

/** What is done to a file; as JSON it is a reproducer. */
export type Damage =
  | { kind: 'truncated'; keep: number }
  | { kind: 'flipped'; bits: number[] }
  /** Bits of one record, in an archive whose checksums are made for it: what is damaged gets to those who read records. */
  | { kind: 'record'; name: string; bits: number[] }

export function damaged(file: Buffer, damage: Damage): Buffer {
  if (damage.kind === 'truncated') return file.subarray(0, damage.keep)
  if (damage.kind === 'flipped') return flipped(file, damage.bits)
  const records = readArchive(file)
  records.set(damage.name, flipped(records.get(damage.name)!, damage.bits))
  return writeArchive(records)
}

function flipped(bytes: Buffer, bits: number[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const bit of bits) copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

/** Damage of all kinds; most often that which gets past the checksums, to the code, the pickles and the constants. */
export function damageOf(file: Buffer): fc.Arbitrary<Damage> {
  const bits = (size: number) => {
    const bit = fc.nat({ max: size * 8 - 1 })
    return fc.oneof(
      fc.array(bit, { minLength: 1, maxLength: 1 }),
      fc.array(bit, { minLength: 2, maxLength: 8 }),
    )
  }
  const records = [...readArchive(file)].filter(([, data]) => data.length > 0)
  const parsed = records.filter(([name]) => /\.(pkl|py|debug_pkl)$|version|byteorder/.test(name))
  const inRecord = (of: [string, Buffer][]) =>
    fc
      .constantFrom(...of)
      .chain(([name, data]) =>
        bits(data.length).map((chosen): Damage => ({ kind: 'record', name, bits: chosen })),
      )
  return fc.oneof(
    {
      weight: 2,
      arbitrary: fc.nat({ max: file.length }).map((keep): Damage => ({ kind: 'truncated', keep })),
    },
    { weight: 2, arbitrary: bits(file.length).map((chosen): Damage => ({ kind: 'flipped', bits: chosen })) },
    { weight: 5, arbitrary: inRecord(parsed) },
    { weight: 1, arbitrary: inRecord(records) },
  )
}
