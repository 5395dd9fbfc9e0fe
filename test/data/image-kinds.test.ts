import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/data/decode-image.js'
import type { Decoder } from '../../src/data/index.js'
import { runtimeInfo, type SosError } from '../../src/index.js'
import { dataRoot, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'
import { isMutated } from '../support/timed.js'

const decoders: Decoder[] = runtimeInfo().jpegDecoder === 'sharp' ? ['sharp'] : ['libturbojpeg', 'sharp']

interface Pixels {
  width: number
  height: number
  /** In hexadecimal. */
  pixels: string
}

/** `equal`, or what is otherwise: `refused` is what Pillow reads and is refused here, `read` the other way round. */
async function compare(
  path: string,
  channels: 1 | 3,
  decoder: Decoder,
  pillow: Pixels | null,
): Promise<string> {
  try {
    using decoded = await decodeImage(path, channels, decoder)
    if (pillow === null) return 'read'
    const values = decoded.permute([0, 2, 3, 1]).contiguous().toTypedArray() as Uint8Array
    const sameSize = decoded.shape[2] === pillow.height && decoded.shape[3] === pillow.width
    return sameSize && Buffer.from(values).equals(Buffer.from(pillow.pixels, 'hex'))
      ? 'equal'
      : 'other pixels'
  } catch (error) {
    expect((error as SosError).code).toBe('ERR_IMAGE')
    return pillow === null ? 'equal' : 'refused'
  }
}

/** TIFFs that libvips and Pillow read in different ways, and bitmaps of which Pillow's pixels are not those meant. */
const refusedHere = [
  /^planar_tiff_(0_(1|8)_1|1_1_1)__/, // one sample that lies by itself
  /^(planar_)?tiff_(0_16_1|2_16_4_1|2_8_4_1|3_8_2_2|5_16_4|6_8_3|8_8_3|form2_8)_/,
  /^tiff_turned_grey_[5-8]/, // Pillow mixes up width and height
  /^bmp_4_greys/, // 4 bits that are read as 8
  /^bmp_(grey_)?runs_._._4/, // jumps
  /^pnm_float/, // no extension of torchvision's
]

describe('image files', () => {
  it('of every kind, depth and colour have the pixels of Pillow, or are refused', async () => {
    const folder = temporaryFolder()
    const files: { file: string; RGB: Pixels | null; L: Pixels | null }[] = await reference('image_depths', {
      folder,
    })
    expect(files.length).toBeGreaterThan(600)
    const wrong: string[] = []
    const counts: Record<string, number> = {}
    for (const { file, RGB, L } of files) {
      for (const decoder of decoders.slice(0, /jpe?g$/.test(file) ? 2 : 1)) {
        for (const [channels, pillow] of [
          [3, RGB],
          [1, L],
        ] as const) {
          const outcome = await compare(join(folder, file), channels, decoder, pillow)
          counts[outcome] = (counts[outcome] ?? 0) + 1
          const known = outcome === 'refused' && refusedHere.some((pattern) => pattern.test(file))
          if (outcome !== 'equal' && !known) wrong.push(`${file} ${channels} ${decoder}: ${outcome}`)
        }
      }
    }
    expect(wrong).toEqual([])
    expect(counts.equal).toBeGreaterThan(1200)
  }, 300_000)

  it('that end too early are refused if Pillow refuses them, in plain words', async () => {
    const folder = temporaryFolder()
    const files: { file: string; whole: boolean }[] = await reference('cut_images', { folder })
    const read: string[] = []
    for (const { file } of files) {
      try {
        using _image = await decodeImage(join(folder, file), 3)
        read.push(file)
      } catch (error) {
        expect((error as SosError).code).toBe('ERR_IMAGE')
        expect((error as SosError).message).toMatch(/it is truncated|first bytes|no image|damaged/)
      }
    }
    expect(read).toEqual(files.filter(({ whole }) => whole).map(({ file }) => file))
    expect([files.length, read.length]).toEqual([80, 11]) // the whole ones, and a PNG without its end marker
  })

  const outside = `${dataRoot}/outside/images`
  it.skipIf(!existsSync(outside))('of public reports have the pixels of Pillow, or are refused', async () => {
    const wrong: string[] = []
    for (const { file, RGB, L } of await reference('image_pixels', { folder: outside })) {
      for (const decoder of decoders) {
        for (const [channels, pillow] of [
          [3, RGB],
          [1, L],
        ] as const) {
          const outcome = await compare(join(outside, file), channels, decoder, pillow)
          if (outcome !== 'equal') wrong.push(`${file} ${channels} ${decoder}: ${outcome}`)
        }
      }
    }
    // L*a*b*, and a damaged chunk that says nothing of the pixels.
    const known = /^(lab\.tif 3 .*: refused|png_bad_ancillary_crc\.png .*: read)$/
    expect(wrong.filter((line) => !known.test(line))).toEqual([])
    expect(readdirSync(outside).length).toBeGreaterThan(60)
  })

  it.each<[string, string | Buffer]>([
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
    ],
    [
      'SVG after a declaration',
      '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    ],
    ['SVG after a byte order mark', '\ufeff<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['PDF', '%PDF-1.4\n1 0 obj\n<<>>\nendobj\n'],
    ['PostScript', '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n'],
    ['PFM', 'PF\n1 1\n-1.0\n0000'],
    ['Radiance', '#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd'],
    ['AVIF', Buffer.from('0000001c667479706176696600000000', 'hex')],
    ['HEIF', Buffer.from('0000001c667479706865696300000000', 'hex')],
    ['JPEG XL', Buffer.from('ff0a0000000000000000', 'hex')],
    ['JPEG 2000', Buffer.from('0000000c6a5020200d0a870a', 'hex')],
    ['BigTIFF', Buffer.from('49492b000800000010000000', 'hex')],
    ['an icon', Buffer.from('000001000100101000000100', 'hex')],
    ['RIFF that is no WebP', 'RIFF\x10\0\0\0WAVEfmt '],
    ['text', 'not an image'],
    ['HTML', '<!doctype html><html></html>'],
    ['Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n'],
    ['nothing', ''],
    ['one byte', '\xff'],
  ])('that are %s by their first bytes are refused by any name', async (_, content) => {
    for (const name of ['image.jpeg', 'image.png', 'image.webp', 'image.tif', 'image.svg']) {
      const path = join(temporaryFolder(), name)
      writeFileSync(path, content)
      for (const decoder of decoders) {
        await expect(decodeImage(path, 3, decoder)).rejects.toMatchObject({
          code: 'ERR_IMAGE',
          message: expect.stringMatching(/its first bytes are not those of a JPEG/),
        })
      }
    }
  })

  it('of other formats are loaded by no loader of sharp either', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')
    await expect(sharp(svg).png().toBuffer()).rejects.toThrow()
    const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    expect((await sharp(png).metadata()).width).toBe(2)
  })
})

describe('images of extremes', () => {
  const header = (form: 'png' | 'gif' | 'bmp' | 'webp', width: number, height: number): Buffer => {
    if (form === 'gif') {
      const file = Buffer.from(
        'GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\0\0\0\0\0\x02\x02\x4c\x01\0;',
        'latin1',
      )
      for (const at of [6, 24]) {
        file.writeUInt16LE(Math.min(width, 65_535), at)
        file.writeUInt16LE(Math.min(height, 65_535), at + 2)
      }
      return file
    }
    const file = Buffer.alloc(54 + 64)
    file.write('BM')
    file.writeUInt32LE(54, 10)
    file.writeUInt32LE(40, 14)
    file.writeUInt32LE(width, 18)
    file.writeUInt32LE(height, 22)
    file.writeUInt16LE(24, 28)
    return file
  }
  it.each<['gif' | 'bmp', number, number]>([
    ['gif', 65_535, 65_535],
    ['gif', 0, 10],
    ['gif', 10, 0],
    ['gif', 16_000, 11_000], // it would fit, but has no pixels
    ['bmp', 2 ** 31 - 1, 2 ** 23],
    ['bmp', 2 ** 32 - 1, 1],
    ['bmp', 0, 1],
    ['bmp', 1, 0],
    ['bmp', 13_000, 13_000],
  ])('%s of %d×%d are refused before memory is taken', async (form, width, height) => {
    const path = join(temporaryFolder(), 'image')
    writeFileSync(path, header(form, width, height))
    await expect(decodeImage(path, 3)).rejects.toMatchObject({ code: 'ERR_IMAGE' })
  })

  it.each(decoders)(
    '%s: a small JPEG of thousands of scans over a large image is refused at once',
    async (decoder) => {
      const path = join(temporaryFolder(), 'scans.jpg')
      const image = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: 'red' } })
        .jpeg({ progressive: true })
        .toBuffer()
      const last = image.lastIndexOf(Buffer.from([0xff, 0xda]))
      const scan = image.subarray(last, -2)
      writeFileSync(
        path,
        Buffer.concat([image.subarray(0, -2), ...Array(400).fill(scan), image.subarray(-2)]),
      )
      const start = performance.now()
      await expect(decodeImage(path, 3, decoder)).rejects.toMatchObject({ code: 'ERR_IMAGE' })
      if (!isMutated) expect(performance.now() - start).toBeLessThan(20_000)
    },
    60_000,
  )
})
