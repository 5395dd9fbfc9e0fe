import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import sharp from 'sharp'
import { describe, expect, it } from 'vitest'

import { decodeImage } from '../../src/data/image.js'
import { type Preprocess, preprocess, presets } from '../../src/index.js'
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
