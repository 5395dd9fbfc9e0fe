import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { runtimeInfo } from '../../src/index.js'

import { dataRoot, root } from '../support/paths.js'

const decoders = new Set([runtimeInfo().jpegDecoder, 'sharp'])

describe.skipIf(dataRoot === undefined)('docs/preprocessing.md', () => {
  it.each([...decoders])(
    'reports how near %s is to Pillow and torchvision on photographs',
    async (decoder) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        `${root}/scripts/compare_preprocessing.mjs`,
        `${dataRoot}/imagenet-sample/val`,
        ...['--decoder', decoder, '--json'],
      ])
      const { images, sameDecoded, values, byLevels } = JSON.parse(stdout)
      expect([images, sameDecoded]).toEqual([300, 300])
      expect(byLevels.length).toBeLessThanOrEqual(3)
      expect(1 - byLevels[0] / values).toBeLessThan(0.0025)
      expect(byLevels[2] ?? 0).toBeLessThan(50)
    },
  )
})
