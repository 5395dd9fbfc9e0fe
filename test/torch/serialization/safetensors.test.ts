import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'
import { readSafetensors, writeSafetensors } from '../../../src/torch/index.js'

import { temporaryFolder } from '../../support/paths.js'

const folder = temporaryFolder()
const damaged = (message: string) =>
  expect.objectContaining({ code: 'ERR_DAMAGED_FILE', message: expect.stringContaining(message) })

/** A file of a header and `bytes` zeros. */
function fileOf(header: unknown, bytes: number): Uint8Array {
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, Buffer.alloc(bytes)])
}

describe('a safetensors file', () => {
  it('has each element at a multiple of its size, whatever the names', async () => {
    const path = join(folder, 'aligned.safetensors')
    // The longer the first name, the longer the header: each of the eight rests comes.
    for (let length = 1; length <= 8; length++) {
      const tensors = {
        ['a'.repeat(length)]: torch.tensor([1, 2, 3], { dtype: 'uint8' }),
        b: torch.tensor([4, 5, 6], { dtype: 'float16' }),
        c: torch.tensor([7, 8], { dtype: 'float64' }),
        d: torch.tensor([9], { dtype: 'int32' }),
      }
      await writeSafetensors(path, new Map(Object.entries(tensors)))
      const bytes = readFileSync(path)
      const headerLength = Number(bytes.readBigUInt64LE(0))
      expect(headerLength % 8).toBe(0)
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength))
      for (const [name, tensor] of Object.entries(tensors)) {
        const size = { uint8: 1, float16: 2, float64: 8, int32: 4 }[tensor.dtype as 'uint8']
        const [begin, end] = header[name].data_offsets
        expect([name, (8 + headerLength + begin) % size, end - begin]).toEqual([
          name,
          0,
          size * tensor.shape[0]!,
        ])
      }
      const c = 8 + headerLength + header.c.data_offsets[0]
      expect([bytes.readDoubleLE(c), bytes.readDoubleLE(c + 8)]).toEqual([7, 8])
    }
  })

  it('may have 64 dimensions and no more', async () => {
    const entry = (dimensions: number) => ({
      x: { dtype: 'F32', shape: Array(dimensions).fill(1), data_offsets: [0, 4] },
    })
    const { tensors } = await readSafetensors(fileOf(entry(64), 4))
    expect(tensors.get('x')!.shape).toHaveLength(64)
    await expect(readSafetensors(fileOf(entry(65), 4))).rejects.toEqual(damaged("'x' of shape"))
  })

  it('may have a header of 100,000,000 bytes and no more', async () => {
    const path = join(folder, 'long.safetensors')
    const claim = (length: number) => {
      const file = openSync(path, 'w')
      const prefix = Buffer.alloc(8)
      prefix.writeBigUInt64LE(BigInt(length))
      writeSync(file, prefix)
      ftruncateSync(file, 8 + length) // a hole: the disk holds a few bytes
      closeSync(file)
    }
    claim(100_000_001)
    await expect(readSafetensors(path)).rejects.toEqual(
      damaged('claims to have 100000001 bytes, and it can have at most 100000000'),
    )
    claim(100_000_000)
    await expect(readSafetensors(path)).rejects.toEqual(damaged('its header is not JSON'))
    writeFileSync(path, '')
  })
})
