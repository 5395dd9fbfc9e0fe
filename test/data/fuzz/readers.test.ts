import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { root } from '../../support/paths.js'
import { FuzzChild } from '../../torch/fuzz/child.js'
import { type Edit, edited, editsOf } from '../../torch/fuzz/edits.js'

// SOS_FUZZ_SEED=7 SOS_FUZZ_RUNS=1000 npx vitest run test/data/fuzz/readers.test.ts looks further.
const seed = Number(process.env.SOS_FUZZ_SEED ?? 1)
const runs = Number(process.env.SOS_FUZZ_RUNS ?? 150)

const child = new FuzzChild(`${root}/test/data/fuzz/reader-worker.mjs`, 10_000, ['--max-old-space-size=500'])
afterAll(() => child.stop())

type Files = Record<string, Buffer>

const words = [
  'tench',
  'n01440764',
  'kit fox',
  '0',
  '1',
  '-1',
  '99',
  '1e9',
  '',
  ' ',
  '\t',
  ',',
  ';',
  '"',
  '""',
  '\n',
  '\r\n',
  '\r',
  'é',
  '\0',
  '\ufeff',
  '__proto__',
  'file,label\n',
  'ILSVRC2012_val_00000001',
  '.JPEG',
]
/** Texts of a reader's own words, some of them very often. */
const text = fc
  .array(fc.tuple(fc.constantFrom(...words), fc.constantFrom(1, 1, 1, 2, 3, 20_000)), { maxLength: 14 })
  .map((parts) => Buffer.from(parts.map(([word, times]) => word.repeat(times)).join('')))

/** The file with some damage, or as it is. */
const damage = (file: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(file) },
    { weight: 5, arbitrary: editsOf(file.length).map((edits: Edit[]) => edited(file, edits)) },
  )

const header = (magic: number, ...extents: number[]) => {
  const bytes = Buffer.alloc(4 + 4 * extents.length)
  for (const [i, value] of [magic, ...extents].entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}
const idxImages = Buffer.concat([header(0x803, 3, 4, 5), Buffer.alloc(60, 7)])
const idxLabels = Buffer.concat([header(0x801, 3), Buffer.from([1, 0, 2])])
const groundTruth = 'ILSVRC2012_validation_ground_truth.txt'
const images = Object.fromEntries(
  [1, 2, 3].map((i) => [`val/ILSVRC2012_val_0000000${i}.JPEG`, Buffer.from('x')]),
)
const csv = Buffer.from(
  'file,label\nILSVRC2012_val_00000001.JPEG,"kit fox"\nILSVRC2012_val_00000002,n01\nILSVRC2012_val_00000003,n01\n',
)
const solution = Buffer.from(
  'ImageId,PredictionString\nILSVRC2012_val_00000001,n01 1 2 3 4\nILSVRC2012_val_00000002,n02 1 2 3 4\nILSVRC2012_val_00000003,n01 1 2 3 4\n',
)
const record = (length: number, label: number) =>
  Buffer.concat([Buffer.from(length === 3074 ? [1, label] : [label]), Buffer.alloc(3072, 9)])
const sosJson = Buffer.from(
  '{"version":1,"architecture":"x","classes":["a","b"],"shifts":[{"rank":3}],"preprocess":{"channels":1,"resize":null,"interpolation":"bilinear","crop":28,"mean":[0.5],"std":[0.5]}}',
)
const config = Buffer.from(
  '{"model":"m.pt","train":"idx:d:train","test":"idx:d:test","epochs":3,"batchSize":8,"optimizer":{"name":"sgd","learningRate":0.1,"momentum":0.9},"schedule":{"name":"multiStep","milestones":[0.5]},"sos":{"rank":"logits:1e-3"},"augment":{"crop":4}}',
)
const runLines = Buffer.from(
  '{"event":"epochEnd","epoch":0,"step":10,"learningRate":0.1,"loss":1.5,"accuracy":50,"seconds":2}\n{"event":"epochEnd","epoch":1,"step":20,"learningRate":0.1,"loss":"NaN","accuracy":50,"seconds":2}\n',
)
/** JSON of random values beside what is expected, and nested. */
const json = (whole: Buffer) =>
  fc.oneof(
    { weight: 3, arbitrary: damage(whole) },
    { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...Object.keys(JSON.parse(whole.toString().split('\n')[0]!))), fc.jsonValue())
        .map(([key, value]) =>
          Buffer.from(JSON.stringify({ ...JSON.parse(whole.toString().split('\n')[0]!), [key]: value })),
        ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('[', '{"a":', '{"preset":[').map((open) => Buffer.from(open.repeat(20_000))),
    },
  )

const one = (name: string, content: fc.Arbitrary<Buffer>, others: Files = {}): fc.Arbitrary<Files> =>
  content.map((bytes) => ({ ...others, [name]: bytes }))

const png = Buffer.from('\x89PNG')
const folders = { 'root/tench/1.png': png, 'root/kit fox/2.png': png }

/** The files that each reader is given. */
const readers: [name: string, reader: string, files: fc.Arbitrary<Files>][] = [
  [
    'classes.txt',
    'classes',
    one('root/classes.txt', fc.oneof(text, damage(Buffer.from('tench\nkit fox\n'))), folders),
  ],
  ['val.csv', 'imagenet', one('val.csv', fc.oneof(text, damage(csv)), images)],
  ['LOC_val_solution.csv', 'imagenet', one('LOC_val_solution.csv', fc.oneof(text, damage(solution)), images)],
  [
    'LOC_synset_mapping.txt',
    'imagenet',
    one('LOC_synset_mapping.txt', fc.oneof(text, damage(Buffer.from('n01 tench\nn02 kit fox\n'))), {
      ...images,
      'LOC_val_solution.csv': solution,
    }),
  ],
  [
    'the ground truth',
    'imagenet',
    one(groundTruth, fc.oneof(text, damage(Buffer.from('1\n2\n1\n'))), {
      ...images,
      'synsets.txt': Buffer.from('n01\nn02\n'),
    }),
  ],
  [
    'synsets.txt',
    'imagenet',
    one('synsets.txt', fc.oneof(text, damage(Buffer.from('n01 a\nn02 b\n'))), {
      ...images,
      [groundTruth]: Buffer.from('1\n2\n1\n'),
    }),
  ],
  [
    'meta.mat',
    'imagenet',
    one('meta.mat', damage(readFileSync(`${root}/test/fixtures/meta.mat`)), {
      ...images,
      [groundTruth]: Buffer.from('1\n2\n1\n'),
    }),
  ],
  [
    'IDX of images',
    'idx',
    one('train-images-idx3-ubyte', damage(idxImages), { 'train-labels-idx1-ubyte': idxLabels }),
  ],
  [
    'IDX of labels',
    'idx',
    one('train-labels-idx1-ubyte', damage(idxLabels), { 'train-images-idx3-ubyte': idxImages }),
  ],
  [
    'gzipped IDX',
    'idx',
    one(
      'train-images-idx3-ubyte.gz',
      fc.oneof(
        damage(gzipSync(idxImages)),
        damage(idxImages).map((bytes) => gzipSync(bytes)),
      ),
      { 'train-labels-idx1-ubyte': idxLabels },
    ),
  ],
  ['CIFAR-10', 'cifar10', one('some.bin', damage(Buffer.concat([record(3073, 3), record(3073, 9)])))],
  ['CIFAR-100', 'cifar100', one('some.bin', damage(Buffer.concat([record(3074, 3), record(3074, 99)])))],
  [
    'batches.meta.txt',
    'cifar10',
    one('batches.meta.txt', fc.oneof(text, damage(Buffer.from('a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n'))), {
      'some.bin': record(3073, 3),
    }),
  ],
  ['sos.json', 'sos.json', one('sos.json', json(sosJson))],
  ['a configuration', 'config', one('config.json', json(config))],
  ['a run record', 'run.jsonl', one('run.jsonl', json(runLines))],
]

describe('files that describe data', () => {
  it.each(readers)(
    '%s: are read or refused, and neither end the process nor hang',
    async (name, reader, files) => {
      const counts: Record<string, number> = {}
      const failures: string[] = []
      for (const job of fc.sample(files, { numRuns: runs, seed })) {
        const encoded = Object.fromEntries(
          Object.entries(job).map(([path, bytes]) => [path, bytes.toString('base64')]),
        )
        const outcome = await child.run({ reader, files: encoded })
        const answer = 'answer' in outcome ? outcome.answer : JSON.stringify(outcome)
        if (/^(read$|refused)/.test(answer)) counts[answer] = (counts[answer] ?? 0) + 1
        else failures.push(`${JSON.stringify(encoded).slice(0, 3000)}: ${answer}`)
      }
      process.stderr.write(`${name}: SOS_FUZZ_SEED=${seed} SOS_FUZZ_RUNS=${runs} ${JSON.stringify(counts)}\n`)
      expect(failures).toEqual([])
      expect(Object.keys(counts).filter((answer) => answer !== 'read').length).toBeGreaterThan(0)
      expect(counts.read).toBeGreaterThan(0)
    },
    3_600_000,
  )
})
