import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage, loadImage } from '../../src/data/decode-image.js'
import { type Decoder, type Preprocess, preprocess } from '../../src/data/index.js'
import {
  cifar10,
  idxFolder,
  imageFolder,
  preprocessOf,
  presets,
  runtimeInfo,
  ScriptModule,
  type SosError,
  torch,
} from '../../src/index.js'
import { demoModel, fashionMnist, temporaryFolder } from '../support/paths.js'
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

describe('a recipe', () => {
  const wrong: [string, Record<string, unknown>][] = [
    ['no mean', { mean: [], std: [] }],
    ['a mean too few', { mean: [0, 0] }],
    ['a std too few', { std: [1] }],
    ['a mean too many', { mean: [0, 0, 0, 0] }],
    ['a std too many', { std: [1, 1, 1, 1] }],
    ['a hole', { mean: [0, undefined, 0] }],
    ['a text', { mean: ['0', '0', '0'] }],
    ['no list', { std: { length: 3 } }],
    ['null', { mean: null }],
    ['a std of 0', { std: [1, 0, 1] }],
    ['a negative std', { std: [1, -1, 1] }],
    ['a std that float32 takes for 0', { std: [1, 1e-300, 1] }],
    ['a std that overflows', { std: [1, 1e-44, 1] }],
    ['NaN for a mean', { mean: [0, Number.NaN, 0] }],
    ['NaN for a std', { std: [Number.NaN, 1, 1] }],
    ['an infinite std', { std: [Number.POSITIVE_INFINITY, 1, 1] }],
    ['a mean beyond float32', { mean: [1e300, 0, 0] }],
    ['a resize of 0', { resize: 0 }],
    ['a negative resize', { resize: -5 }],
    ['half a pixel', { resize: 1.5 }],
    ['a resize of NaN', { resize: Number.NaN }],
    ['an infinite resize', { resize: Number.POSITIVE_INFINITY }],
    ['a resize of 2^31', { resize: 2 ** 31 }],
    ['a crop of 0', { crop: 0 }],
    ['a negative crop', { crop: -224 }],
    ['a crop of 100,000', { crop: 100_000 }],
    ['a crop of NaN', { crop: Number.NaN }],
    ['a text for a crop', { crop: '224' }],
    ['two channels', { channels: 2, mean: [0, 0], std: [1, 1] }],
    ['no channels', { channels: 0, mean: [], std: [] }],
    ['another interpolation', { interpolation: 'nearest' }],
    ['a part that there is not', { scale: 2 }],
  ]

  it.each(wrong)('of %s is refused wherever it enters', async (_, change) => {
    const recipe = { ...presets.resnet50!, ...change } as Preprocess
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'a'))
    const path = join(folder, 'a', '1.png')
    writeFileSync(path, await raw(8, 8, 3).png().toBuffer())
    const refused = expect.objectContaining({ code: 'ERR_PREPROCESS' })
    const images = torch.zeros([1, 3, 8, 8], { dtype: 'uint8' })
    expect(() => preprocess(images, recipe)).toThrow(refused)
    const out = torch.empty([1, 3, 224, 224])
    await expect(loadImage(path, recipe, out, 0)).rejects.toEqual(refused)
    await expect(imageFolder(folder, recipe)).rejects.toEqual(refused)
    await expect(imageFolder(folder, recipe, { skipCorrupt: true })).rejects.toEqual(refused)
    await expect(idxFolder(fashionMnist, 'test', recipe)).rejects.toEqual(refused)
    writeFileSync(join(folder, 'one.bin'), Buffer.alloc(3073))
    await expect(cifar10(join(folder, 'one.bin'), null, recipe)).rejects.toEqual(refused)
    const model = await ScriptModule.load(demoModel)
    expect(() => preprocessOf(model, 'resnet50', change as Partial<Preprocess>)).toThrow(refused)
  })

  it('refuses images that are not bytes [N, C, H, W] of its channels', () => {
    const bytes = (shape: number[]) => torch.zeros(shape, { dtype: 'uint8' })
    const wrong = [[3, 8, 8], [1, 3, 8, 8, 1], [1, 1, 8, 8], [1, 3, 0, 8], [1, 3, 8, 0], []].map(bytes)
    for (const images of [...wrong, torch.zeros([1, 3, 8, 8])]) {
      expect(() => preprocess(images, presets.resnet50!)).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringMatching(`received ${images.dtype} \\[${images.shape.join(', ')}\\] on cpu`),
        }),
      )
    }
  })

  it('that changes after a dataset was made does not change the dataset', async () => {
    const recipe = { ...presets.resnet50!, mean: [0, 0, 0], std: [1, 1, 1] }
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'a'))
    writeFileSync(join(folder, 'a', '1.png'), await raw(8, 8, 3).png().toBuffer())
    const dataset = await imageFolder(folder, recipe)
    const before = (await dataset.load([0])).images
    recipe.mean.length = 0
    recipe.crop = -1
    expect((await dataset.load([0])).images.equal(before)).toBe(true)
  })
})
