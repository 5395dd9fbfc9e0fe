import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import sharp from 'sharp'
import { describe, expect, it } from 'vitest'

import { decodeImage, loadImage } from '../../src/data/image.js'
import {
  type Decoder,
  type Preprocess,
  preprocess,
  presets,
  runtimeInfo,
  type SosError,
  torch,
} from '../../src/index.js'
import { temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

/** A smooth pattern with noise, so that resizing and JPEG have something to get wrong. */
function pattern(width: number, height: number, channels: 1 | 3): Buffer {
  const noise = randn([height, width, channels], width * height).toTypedArray()
  const bytes = Buffer.alloc(width * height * channels)
  for (let i = 0; i < bytes.length; i++) {
    const x = Math.floor(i / channels) % width
    const y = Math.floor(i / channels / width)
    bytes[i] = Math.max(
      0,
      Math.min(255, 128 + 90 * Math.sin(x / 9 + i) * Math.cos(y / 7) + 12 * Number(noise[i])),
    )
  }
  return bytes
}

const raw = (width: number, height: number, channels: 1 | 3) =>
  sharp(pattern(width, height, channels), { raw: { width, height, channels } })

const decoders: Decoder[] = runtimeInfo().jpegDecoder === 'sharp' ? ['sharp'] : ['libturbojpeg', 'sharp']

describe('decodeImage', () => {
  it('gives the pixels of Pillow for every kind of image', async () => {
    const folder = temporaryFolder()
    const kinds = await reference('image_kinds', { folder })
    expect(kinds.length).toBeGreaterThan(20)
    for (const { file, width, height, RGB, L } of kinds) {
      for (const [channels, pixels] of [
        [3, RGB],
        [1, L],
      ] as const) {
        for (const decoder of decoders) {
          const decoded = await decodeImage(join(folder, file), channels, decoder)
          expect([file, decoded.shape]).toEqual([file, [1, channels, height, width]])
          const values = decoded.permute([0, 2, 3, 1]).contiguous().toTypedArray() as Uint8Array
          const worst = largestDifference(values, pixels)
          expect({ file, channels, decoder, worst }).toEqual({ file, channels, decoder, worst: 0 })
        }
      }
    }
  })

  it.each(decoders)('%s: a damaged JPEG is an image of its size or an ERR_IMAGE', async (decoder) => {
    const whole = await raw(70, 50, 3).jpeg({ quality: 60 }).toBuffer()
    const path = join(temporaryFolder(), 'damaged.jpg')
    const random = randn([400], 3).toTypedArray() as Float32Array
    const outcomes = { image: 0, refused: 0 }
    for (let i = 0; i < random.length; i += 2) {
      const damaged = Buffer.from(whole)
      const place = Math.floor(Math.abs(random[i]! * 1e6)) % whole.length
      damaged[place] = damaged[place]! ^ (1 + (Math.floor(Math.abs(random[i + 1]! * 1e6)) % 255))
      writeFileSync(path, i % 10 === 0 ? damaged.subarray(0, place) : damaged)
      try {
        using decoded = await decodeImage(path, 3, decoder)
        expect(decoded.shape.slice(0, 2)).toEqual([1, 3])
        outcomes.image++
      } catch (error) {
        expect((error as SosError).code).toBe('ERR_IMAGE')
        expect((error as SosError).message).toContain(path)
        outcomes.refused++
      }
    }
    expect(outcomes.image).toBeGreaterThan(20)
    expect(outcomes.refused).toBeGreaterThan(20)
  })

  it.each(decoders)('%s: refuses truncated images wherever they end, and bombs', async (decoder) => {
    const path = join(temporaryFolder(), 'image')
    const refused = async (bytes: Buffer, message: string) => {
      writeFileSync(path, bytes)
      const decoded = decodeImage(path, 3, decoder)
      await expect(decoded).rejects.toMatchObject({
        code: 'ERR_IMAGE',
        message: expect.stringContaining(message),
      })
    }
    for (const image of [raw(70, 50, 3).jpeg(), raw(70, 50, 3).jpeg({ progressive: true })]) {
      const whole = await image.toBuffer()
      // Without its last bytes, an end marker and what it closes, an image is whole to Pillow too.
      for (let length = 0; length < whole.length - 20; length += 37)
        await refused(whole.subarray(0, length), path)
    }
    const bomb = await raw(70, 50, 3).jpeg().toBuffer()
    const frame = bomb.indexOf(Buffer.from([0xff, 0xc0]))
    bomb.writeUInt16BE(65_000, frame + 5)
    bomb.writeUInt16BE(65_000, frame + 7)
    await refused(bomb, 'pixel')
    await expect(decodeImage('/nowhere.jpg', 3, decoder)).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    })
  })
})

describe.each<[string, Partial<Preprocess>]>([
  ['bilinear, resize 256, crop 224', {}],
  ['bicubic', { interpolation: 'bicubic' }],
  ['a crop larger than the image', { resize: 64, crop: 80 }],
  ['greyscale', { channels: 1, mean: [0.5], std: [0.5] }],
])('preprocessing: %s', (_, change) => {
  it('agrees with Pillow and torchvision', async () => {
    const recipe = { ...presets.resnet50!, ...change } as Preprocess
    const folder = temporaryFolder()
    const files: string[] = []
    for (const [name, image] of Object.entries({
      'landscape.png': raw(401, 300, 3).png(),
      'portrait.jpg': raw(257, 390, 3).jpeg({ quality: 90 }),
      'small.jpg': raw(60, 75, 3).jpeg({ chromaSubsampling: '4:4:4' }),
      'grey.jpg': raw(300, 280, 1).toColourspace('b-w').jpeg(),
      'alpha.png': raw(300, 280, 3).ensureAlpha(0.5).png(),
      'turned.jpg': raw(300, 200, 3).withMetadata({ orientation: 6 }).jpeg(),
      'exact.png': raw(256, 256, 3).png(),
    })) {
      files.push(join(folder, name))
      writeFileSync(files.at(-1)!, await image.toBuffer())
    }
    const python = await reference('preprocess', { files, ...recipe })
    for (const [i, file] of files.entries()) {
      const decoded = await decodeImage(file, recipe.channels)
      const pixels = decoded.permute([0, 2, 3, 1]).contiguous().toTypedArray() as Uint8Array
      expect({ file, worst: largestDifference(pixels, python[i].decoded) }).toEqual({ file, worst: 0 })

      const values = preprocess(decoded, recipe)
      expect(values.shape).toEqual([1, ...python[i].shape])
      for (const decoder of decoders) {
        const out = torch.empty([3, ...values.shape.slice(1)])
        await loadImage(file, recipe, out, 1, decoder)
        expect(out.narrow(0, 1, 1).equal(values)).toBe(true)
      }
      if (file.endsWith('exact.png') && recipe.resize === 256) {
        expect(largestDifference(values.toTypedArray() as Float32Array, python[i].values)).toBe(0)
      }
      // Levels of 255; bicubic weights are rounded twice on either side.
      const scale = 255 * Math.max(...recipe.std)
      const levels = Float64Array.from(
        values.toTypedArray() as Float32Array,
        (value, k) => Math.abs(value - python[i].values[k]) * scale,
      )
      expect(levels.reduce((a, b) => Math.max(a, b))).toBeLessThan(
        recipe.interpolation === 'bicubic' ? 2.1 : 1.1,
      )
      const off = levels.filter((level) => level > 0.5).length
      expect(off / levels.length).toBeLessThan(0.02)
    }
  })
})
