import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { runtimeInfo } from '../../../src/index.js'

import { root, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { FuzzChild } from '../../torch/fuzz/child.js'
import { edited, editsOf } from '../../torch/fuzz/edits.js'

// SOS_FUZZ_SEED=7 SOS_FUZZ_RUNS=4000 npx vitest run test/data/fuzz looks further.
const seed = Number(process.env.SOS_FUZZ_SEED ?? 1)
const runs = Number(process.env.SOS_FUZZ_RUNS ?? 500)

const child = new FuzzChild(`${root}/test/data/fuzz/image-worker.mjs`, 30_000)
afterAll(() => child.stop())

/** The file with the checksum of each PNG chunk made anew, so that what is damaged gets to the decoder. */
function withChecksums(file: Buffer): Buffer {
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 8 + file.readUInt32BE(at)
    if (end + 4 > file.length) break
    file.writeUInt32BE(crc32(file.subarray(at + 4, end)), end)
    at = end + 4
  }
  return file
}

describe('damaged images of every kind', () => {
  it('are images or are refused, and neither end the process nor hang', async () => {
    const folder = temporaryFolder()
    const names: string[] = (await reference('image_depths', { folder })).map(
      ({ file }: { file: string }) => file,
    )
    const decoders = runtimeInfo().jpegDecoder === 'sharp' ? ['sharp'] : ['libturbojpeg', 'sharp']
    const formats = ['png', 'tiff', 'bmp', 'pnm', 'gif', 'webp', 'jpeg', 'turned', 'profile', 'cut']
    const job = fc
      .constantFrom(...formats) // there are many more TIFFs and bitmaps than others
      .chain((format) => fc.constantFrom(...names.filter((name) => name.startsWith(format))))
      .chain((name) =>
        fc.record({
          name: fc.constant(name),
          edits: editsOf(readFileSync(join(folder, name)).length),
          checksums: fc.boolean(),
          decoder: fc.constantFrom(...decoders),
        }),
      )
    process.stderr.write(`SOS_FUZZ_SEED=${seed} SOS_FUZZ_RUNS=${runs}: ${names.length} images\n`)
    const path = join(folder, 'damaged')
    const counts: Record<string, number> = {}
    const failures: string[] = []
    for (const { name, edits, checksums, decoder } of fc.sample(job, { numRuns: runs, seed })) {
      const file = edited(readFileSync(join(folder, name)), edits)
      writeFileSync(path, checksums && name.endsWith('.png') ? withChecksums(Buffer.from(file)) : file)
      const outcome = await child.run({ path, decoder })
      const answer = 'answer' in outcome ? outcome.answer : JSON.stringify(outcome)
      if (/^(image$|refused)/.test(answer)) counts[answer] = (counts[answer] ?? 0) + 1
      else failures.push(`${JSON.stringify({ name, edits, checksums, decoder })}: ${answer}`)
    }
    process.stderr.write(`${JSON.stringify(counts)}\n`)
    expect(failures).toEqual([])
    expect(counts.image).toBeGreaterThan(runs / 20)
    expect(counts['refused: ERR_IMAGE']).toBeGreaterThan(runs / 20)
  }, 3_600_000)
})
