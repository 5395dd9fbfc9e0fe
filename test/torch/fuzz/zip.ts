import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'

/** The records of a zip archive by name, from its central directory. */
export function readArchive(file: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = file.indexOf('PK\x01\x02'); at >= 0; at = file.indexOf('PK\x01\x02', at + 46)) {
    const name = file.toString('utf8', at + 46, at + 46 + file.readUInt16LE(at + 28))
    const header = file.readUInt32LE(at + 42)
    const start = header + 30 + file.readUInt16LE(header + 26) + file.readUInt16LE(header + 28)
    const stored = file.subarray(start, start + file.readUInt32LE(at + 20))
    const data = file.readUInt16LE(at + 10) === 0 ? stored : inflateRawSync(stored)
    if (crc32(data) !== file.readUInt32LE(at + 16)) throw new Error(`expected the checksum of ${name} to fit`)
    records.set(name, data)
  }
  return records
}

/** An archive of these records, stored as they are, or compressed. */
export function writeArchive(records: ReadonlyMap<string, Buffer>, compressed = false): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, data] of records) {
    const text = Buffer.from(name)
    const stored = compressed ? deflateRawSync(data) : data
    // From the version needed to the lengths: the same in both headers.
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(compressed ? 8 : 0, 4)
    shared.writeUInt32LE(crc32(data), 10)
    shared.writeUInt32LE(stored.length, 14)
    shared.writeUInt32LE(data.length, 18)
    shared.writeUInt16LE(text.length, 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, place, text)
    parts.push(Buffer.from('PK\x03\x04'), shared, text, stored)
    offset += 30 + text.length + stored.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(records.size, 8)
  end.writeUInt16LE(records.size, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, central, end])
}
