import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { root, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { FuzzChild } from './child.js'
import { damaged, damageOf } from './damage.js'
import { edited, editsOf } from './edits.js'
import { legacyFileOf, pickleBody, zipRecordsOf } from './pickles.js'
import { writeArchive } from './zip.js'

// SOS_FUZZ_SEED=7 SOS_FUZZ_RUNS=20000 npx vitest run test/torch/fuzz/weights.test.ts looks further.
const seed = Number(process.env.SOS_FUZZ_SEED ?? 1)
const runs = Number(process.env.SOS_FUZZ_RUNS ?? 1000)

const folder = temporaryFolder()
const path = join(folder, 'damaged')
// With a heap in which what a small file may build has to fit.
const child = new FuzzChild(`${root}/test/torch/fuzz/weights-worker.mjs`, 20_000, [
  '--max-old-space-size=700',
])

beforeAll(async () => {
  await reference('weights', { untrusted: folder })
}, 120_000)
afterAll(() => child.stop())

/** What becomes of these files: how many load, how many are refused and why; crashes, hangs and odd errors are failures. */
async function outcomes<Job>(name: string, jobs: fc.Arbitrary<Job>, fileOf: (job: Job) => Buffer) {
  process.stderr.write(`${name}: SOS_FUZZ_SEED=${seed} SOS_FUZZ_RUNS=${runs}\n`)
  const counts: Record<string, number> = {}
  const failures: string[] = []
  for (const [i, job] of fc.sample(jobs, { numRuns: runs, seed }).entries()) {
    writeFileSync(path, fileOf(job))
    const key = i % 5 === 0 ? 'w' : undefined
    const outcome = await child.run({ path, fromBytes: i % 2 === 0, key })
    const answer = 'answer' in outcome ? outcome.answer : JSON.stringify(outcome)
    if (/^(loaded$|refused)/.test(answer)) counts[answer] = (counts[answer] ?? 0) + 1
    else failures.push(`${JSON.stringify(job)}: ${answer}`)
  }
  process.stderr.write(`${name}: ${JSON.stringify(counts)}\n`)
  expect(failures).toEqual([])
  return counts
}

const baseFile = (name: string) => () => readFileSync(join(folder, name))

describe.each([
  ['legacy', baseFile('base.pth')],
  ['safetensors', baseFile('base.safetensors')],
  ['zip', baseFile('base.pt')],
])('damaged weights files, %s', (name, read) => {
  it('load or are refused, and neither end the process nor hang', async () => {
    const whole = read()
    const counts = await outcomes(`${name}, edited`, editsOf(whole.length), (edits) => edited(whole, edits))
    expect(counts.loaded).toBeGreaterThan(0)
    expect(counts['refused: ERR_DAMAGED_FILE']).toBeGreaterThan(runs / 10)
    if (name !== 'zip') return
    // What gets past the checksums.
    await outcomes(`${name}, damaged within`, damageOf(whole), (damage) => damaged(whole, damage))
  }, 3_600_000)
})

describe('weights files of random opcodes', () => {
  it('in the legacy format load or are refused', async () => {
    const counts = await outcomes('opcodes, legacy', pickleBody, legacyFileOf)
    expect(Object.keys(counts).length).toBeGreaterThan(3)
  }, 3_600_000)

  it('in a zip archive load or are refused', async () => {
    await outcomes('opcodes, zip', pickleBody, (body) => writeArchive(zipRecordsOf(body)))
  }, 3_600_000)
})

describe('safetensors files with damaged headers', () => {
  const extent = fc.oneof(
    fc.integer({ min: 0, max: 4 }),
    fc.constantFrom<unknown>(-1, 0.5, 2 ** 53, 1e308, null, '1', [], {}, [[]]),
  )
  const entry = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom<unknown>('F32', 'U8', 'BOOL', 'F8_E4M3', 'F7', null, 5, '__proto__')),
      shape: fc.oneof<fc.Arbitrary<unknown>[]>(fc.array(extent, { maxLength: 70 }), extent),
      data_offsets: fc.oneof<fc.Arbitrary<unknown>[]>(fc.array(extent, { maxLength: 3 }), extent),
      extra: extent,
    },
    { requiredKeys: [] },
  )
  const name = fc.constantFrom(
    'a',
    'b',
    '__metadata__',
    '__proto__',
    'constructor',
    '',
    '\u0000',
    'é'.repeat(50_000),
  )
  const header = fc.oneof(
    fc.dictionary(name, fc.oneof(entry, extent), { maxKeys: 4 }),
    fc.constantFrom<unknown>([], null, 'text', 7),
  )

  it('load or are refused', async () => {
    await outcomes(
      'headers',
      fc.record({
        header,
        bytes: fc.integer({ min: 0, max: 8 }),
        lie: fc.constantFrom(0, 0, 0, 1, -1, 2 ** 40),
      }),
      ({ header, bytes, lie }) => {
        const json = Buffer.from(JSON.stringify(header))
        const length = Buffer.alloc(8)
        length.writeBigInt64LE(BigInt(json.length + lie))
        return Buffer.concat([length, json, Buffer.alloc(bytes)])
      },
    )
  }, 3_600_000)
})
