import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/base/errors.js'
import { parseForeignJson } from '../../src/base/foreign-json.js'
import type { Preprocess } from '../../src/data/index.js'
import { readMatStructs } from '../../src/data/mat-file.js'
import { cifar10, idxFolder, imageFolder, imageNet, presets } from '../../src/index.js'
import { temporaryFolder } from '../support/paths.js'
import { isMutated } from '../support/timed.js'

// Small files that ask for much: each reader answers at once, with the right value or an error.

const recipe = presets.resnet50!
const grey: Preprocess = { ...recipe, channels: 1, mean: [0], std: [1] }
const refused = (message: string) =>
  expect.objectContaining({ code: 'ERR_DATASET', message: expect.stringContaining(message) })

function folderWith(files: Record<string, string | Uint8Array>): string {
  const root = temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

const image = 'ILSVRC2012_val_00000001'
const names = (count: number) => Array.from({ length: count }, (_, i) => `class ${i}`).join('\n')

describe('labels', () => {
  it.each([
    ['tabs', '\t'],
    ['commas', ','],
    ['semicolons', ';'],
    ['spaces', 'a '],
    ['quotation marks', '"'],
    ['quoted columns', '"a",'],
    ['spaces and separators', ' ,\t;'],
  ])('of a line of %s are read or refused at once', async (_, piece) => {
    for (const line of [piece.repeat(300_000), `x${piece.repeat(300_000)}`, `${piece.repeat(300_000)}"`]) {
      const root = folderWith({
        [`val/${image}.JPEG`]: 'image',
        'val.csv': `${image},class\n${line}\n`,
      })
      await imageNet(root, 'val', recipe).then(
        ({ labels, classes }) => expect(classes[labels[0]!]).toBe('class'),
        (error) => {
          expect(error).toEqual(refused('line 2: expected FILE,LABEL'))
          expect(error.message.length).toBeLessThan(400)
        },
      )
    }
  })

  it('may hold commas in quotation marks, and have one of three separators', async () => {
    for (const csv of [
      `file,label\n"${image}.JPEG","tench, Tinca tinca"\n`,
      `file;label\n${image};tench, Tinca tinca\n`,
      `${image}\ttench, Tinca tinca`,
    ]) {
      const root = folderWith({ [`val/${image}.JPEG`]: 'image', 'val.csv': csv })
      expect((await imageNet(root, 'val', recipe)).classes).toEqual(['tench, Tinca tinca'])
    }
  })

  it('of 300,000 classes are read in the time that their number takes', async () => {
    const root = folderWith({ 'a/1.png': 'image', 'classes.txt': `${names(300_000)}\na\n` })
    expect([...(await imageFolder(root, recipe)).labels]).toEqual([300_000])
    writeFileSync(join(root, 'classes.txt'), `a\n${names(300_000)}\na\n`)
    await expect(imageFolder(root, recipe)).rejects.toEqual(refused('could be class 0 or 300001'))
  })

  it('that are no text, too large, or no file are refused', async () => {
    const root = folderWith({ 'a/1.png': 'image', 'classes.txt': Buffer.from('\xff\xfea\0\n\0', 'latin1') })
    await expect(imageFolder(root, recipe)).rejects.toEqual(refused('UTF-8'))
    truncateSync(join(root, 'classes.txt'), 2 ** 32)
    await expect(imageFolder(root, recipe)).rejects.toEqual(refused('at most'))
    const pipe = folderWith({ 'a/1.png': 'image' })
    execFileSync('mkfifo', [join(pipe, 'classes.txt')])
    await expect(imageFolder(pipe, recipe)).rejects.toEqual(refused('this is not a file'))
  })
})

/** A data element of a MATLAB file; `type` 14 is a matrix, 15 a compressed element. */
function element(type: number, ...parts: Uint8Array[]): Buffer {
  const data = Buffer.concat(parts)
  const tag = Buffer.alloc(8)
  tag.writeUInt32LE(type, 0)
  tag.writeUInt32LE(data.length, 4)
  return Buffer.concat([tag, data, Buffer.alloc(type === 15 ? 0 : (8 - (data.length % 8)) % 8)])
}

const int32 = (...values: number[]) => element(5, Buffer.from(Int32Array.from(values).buffer))
const text = (value: string) => element(1, Buffer.from(value, 'latin1'))
const struct = (count: number[], width: number, fields: string, ...values: Buffer[]) =>
  element(14, int32(2, 0), int32(...count), text('synsets'), int32(width), text(fields), ...values)

function matFile(...variables: Buffer[]): Buffer {
  const header = Buffer.alloc(128)
  header.writeUInt32LE(0x4d490100, 124)
  return Buffer.concat([header, ...variables])
}

describe('meta.mat', () => {
  const number = element(14, int32(6, 0), int32(1, 1), text('id'), int32(7))

  it('is read if its struct has fields', () => {
    expect(
      readMatStructs('m', matFile(struct([1, 2], 2, 'a\0b\0', number, number, number, number)), 'synsets'),
    ).toEqual([
      { a: 7, b: 7 },
      { a: 7, b: 7 },
    ])
    const packed = element(15, deflateSync(struct([1, 1], 3, 'id\0', number)))
    expect(readMatStructs('m', matFile(packed), 'synsets')).toEqual([{ id: 7 }])
  })

  it.each<[string, Buffer]>([
    ['a struct of 3,600,000,000 records without fields', matFile(struct([60_000, 60_000], 32, ''))],
    ['fields of no width', matFile(struct([1, 1], 0, 'a'))],
    ['names of fields of negative width', matFile(struct([1, 1], -1, 'a'))],
    ['a negative number of records', matFile(struct([-1, 1], 2, 'a\0', number))],
    ['more records than values', matFile(struct([1000, 1000], 2, 'a\0', number))],
    ['records without end', matFile(struct([2 ** 30, 2 ** 30, 2 ** 30], 2, 'a\0', number))],
    [
      'millions of values in a compressed variable',
      matFile(element(15, deflateSync(struct([1, 1], 2, 'a\0', Buffer.alloc(2 ** 25))))),
    ],
    [
      '100 MB in a compressed variable',
      matFile(element(15, deflateSync(element(14, Buffer.alloc(100_000_000))))),
    ],
    [
      '1 GB in many of them',
      matFile(...Array(60).fill(element(15, deflateSync(element(14, Buffer.alloc(2 ** 24)))))),
    ],
  ])('of %s is refused at once', (_, file) => {
    const start = performance.now()
    expect(() => readMatStructs('m', file, 'synsets')).toThrow(refused('MATLAB'))
    if (!isMutated) expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('IDX and CIFAR', () => {
  const header = (magic: number, ...extents: number[]) => {
    const bytes = Buffer.alloc(4 + 4 * extents.length)
    for (const [i, value] of [magic, ...extents].entries()) bytes.writeUInt32BE(value, 4 * i)
    return bytes
  }
  const labels = Buffer.concat([header(0x801, 1), Buffer.from([1])])

  it.each<[string, Buffer, string]>([
    [
      'more than its header tells',
      Buffer.concat([header(0x803, 1, 2, 3), Buffer.alloc(200_000_000)]),
      'more data than',
    ],
    ['less', Buffer.concat([header(0x803, 1, 60_000, 60_000), Buffer.alloc(10)]), 'bytes of data'],
    ['no data', header(0x803, 0, 60_000, 60_000), 'empty'],
  ])('gzip that holds %s is refused', async (_, bytes, message) => {
    const root = folderWith({
      'train-images-idx3-ubyte.gz': gzipSync(bytes),
      'train-labels-idx1-ubyte': labels,
    })
    await expect(idxFolder(root, 'train', grey)).rejects.toEqual(refused(message))
  })

  it('files of gigabytes are refused before they are read', async () => {
    const root = folderWith({ 'test_batch.bin': '' })
    truncateSync(join(root, 'test_batch.bin'), 2 ** 40)
    await expect(cifar10(root, 'test', recipe)).rejects.toEqual(refused('at most'))
  })
})

describe('JSON of files', () => {
  it('is refused if it is nested deeper than what goes through it afterwards can follow', () => {
    expect(parseForeignJson('{"a":[1,"]]][[[\\"[",{}]}')).toEqual({ a: [1, ']]][[["[', {}] })
    expect(parseForeignJson(`${'['.repeat(100)}${']'.repeat(100)}`)).toBeDefined()
    for (const opening of ['[', '{"a":', '[{"a":']) {
      expect(() => parseForeignJson(opening.repeat(100_000))).toThrow(SyntaxError)
    }
    expect(() => parseForeignJson(`"${'\\'.repeat(100_000)}`)).toThrow(SyntaxError)
  })
})

describe('names that are nearest', () => {
  it('are found among many and long ones in little time', () => {
    const many = Array.from({ length: 1_000_000 }, (_, i) => `layer${i}.weight`)
    expect(nearest('layer7.weihgt', many)[0]).toBe('layer7.weight')
    expect(nearest('x'.repeat(1_000_000), ['x'.repeat(1_000_000)])).toEqual([])
    expect(nearest('model', ['y'.repeat(10_000_000), 'modle'])).toEqual(['modle'])
  })
})
