import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decoderOfJpeg } from '../../src/data/decoder.js'
import { type Decoder, imageNet, openDataset } from '../../src/data/index.js'
import { imageFolder, presets, runtimeInfo } from '../../src/index.js'
import { temporaryFolder } from '../support/paths.js'

async function folderWithJpeg(): Promise<string> {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'val/n01440764'), { recursive: true })
  const image = sharp({ create: { width: 30, height: 20, channels: 3, background: 'red' } })
  await image.jpeg().toFile(join(folder, 'val/n01440764/1.jpg'))
  return folder
}

const notBuilt = expect.objectContaining({
  code: 'ERR_NOT_BUILT',
  message: expect.stringMatching(/'libturbojpeg' was asked for.*sos doctor.*'sharp'/),
})

describe('the decoder of JPEG', () => {
  it('is libturbojpeg if the addon has it, else sharp', () => {
    expect(decoderOfJpeg(undefined, true)).toBe('libturbojpeg')
    expect(decoderOfJpeg(undefined, false)).toBe('sharp')
    expect(decoderOfJpeg()).toBe(runtimeInfo().jpegDecoder)
  })

  it('is the one that was asked for, or an error', () => {
    expect(decoderOfJpeg('libturbojpeg', true)).toBe('libturbojpeg')
    expect(decoderOfJpeg('sharp', true)).toBe('sharp')
    expect(decoderOfJpeg('sharp', false)).toBe('sharp')
    expect(() => decoderOfJpeg('libturbojpeg', false)).toThrow(notBuilt)
    for (const has of [true, false]) {
      expect(() => decoderOfJpeg('turbo' as Decoder, has)).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringContaining('"turbo"'),
        }),
      )
    }
  })

  it('is checked when a dataset is opened, and not replaced silently', async () => {
    const folder = await folderWithJpeg()
    const open = [
      (decoder: Decoder) => imageFolder(join(folder, 'val'), presets.resnet50!, { decoder }),
      (decoder: Decoder) => imageNet(folder, 'val', presets.resnet50!, { decoder }),
      (decoder: Decoder) => openDataset(`imagefolder:${folder}/val`, presets.resnet50!, { decoder }),
    ]
    for (const dataset of open) {
      await expect(dataset('turbo' as Decoder)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      expect((await (await dataset('sharp')).load([0])).images.shape).toEqual([1, 3, 224, 224])
      if (runtimeInfo().jpegDecoder === 'sharp') {
        await expect(dataset('libturbojpeg')).rejects.toEqual(notBuilt)
      } else {
        expect((await (await dataset('libturbojpeg')).load([0])).images.shape).toEqual([1, 3, 224, 224])
      }
    }
  })
})
