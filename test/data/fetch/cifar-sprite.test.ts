import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { beforeAll, describe, expect, it } from 'vitest'

import { spriteToRecords } from '../../../src/data/fetch/cifar-sprite.js'
import { temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'

describe('spriteToRecords', () => {
  const file = join(temporaryFolder(), 'sprite.png')
  let png: Buffer
  let python: { labels: number[]; records: string }
  beforeAll(async () => {
    python = await reference('cifar_sprite', { png: file, images: 7, seed: 3 })
    png = readFileSync(file)
  })

  it("gives numpy's records, byte for byte", async () => {
    const records = await spriteToRecords(png, python.labels)
    expect(records.length).toBe(7 * 3073)
    expect(Buffer.from(records).toString('base64')).toBe(python.records)
  })

  it('refuses other extents, damaged images and labels beyond 9', async () => {
    const image = (message: string) => expect.objectContaining({ code: 'ERR_IMAGE', message })
    await expect(spriteToRecords(png, [1, 2])).rejects.toEqual(
      image('expected a sprite of 1024×2 RGB pixels but it has 1024×7 pixels with 3 channels'),
    )
    await expect(spriteToRecords(png.subarray(0, 9000), python.labels)).rejects.toMatchObject({
      code: 'ERR_IMAGE',
    })
    await expect(spriteToRecords(png, [...python.labels.slice(1), 10])).rejects.toMatchObject({
      code: 'ERR_DATASET',
    })
  })
})
