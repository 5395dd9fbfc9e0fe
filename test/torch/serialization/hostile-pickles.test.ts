import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { root, temporaryFolder } from '../../support/paths.js'
import { FuzzChild } from '../fuzz/child.js'
import { legacyFileOf, zipRecordsOf } from '../fuzz/pickles.js'
import { writeArchive } from '../fuzz/zip.js'

// Pickles that are made to hang or fill what reads them, in a process of its own whose heap has 1 GB. Latin-1 texts.

const path = join(temporaryFolder(), 'hostile.pth')
const child = new FuzzChild(`${root}/test/torch/fuzz/weights-worker.mjs`, 60_000, [
  '--max-old-space-size=1000',
])
afterAll(() => child.stop())

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`

async function answerTo(file: Buffer, key?: string): Promise<unknown> {
  writeFileSync(path, file)
  return child.run({ path, fromBytes: false, ...(key !== undefined && { key }) })
}

/** A list of lists, 2³⁰ numbers deep in all, which the memo holds in some hundred bytes: it is left on the stack. */
const laugh = `](K\x01K\x02eq\0${'0](h\0h\0eq\0'.repeat(30)}`
const nested = `)${'\x85'.repeat(300_000)}`
const cycle = ']q\x01h\x01a'

describe.each([
  ['a list whose whole is without measure', laugh],
  ['300,000 tuples in each other', nested],
  ['a list that holds itself', cycle],
])('%s', (_, value) => {
  const data = /^refused: ERR_(NOT_STATE_DICT|DAMAGED_FILE|UNSAFE_PICKLE)$/
  it.each<[string, string]>([
    ['is the object', value],
    ['is in a dict', `}${text('w')}${value}s`],
    ['is in a dict in a dict', `}${text('model')}}${text('w')}${value}ss`],
    ['is a key', `}${value}K\x01s`],
    ['is the key of a dict', `}${value}}s`],
    ['is the index of a device', `ctorch\ndevice\n(${text('cpu')}${value}tR`],
    ['is the kind of a device', `ctorch\ndevice\n(${value}tR`],
    ['is a size', `ctorch\nSize\n(${value}tR`],
    ['is a dtype of numpy', `cnumpy\ndtype\n(${value}tR`],
    ['is a number of numpy', `cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(${text('f8')}tR${value}tR`],
    ['is a part of a complex number', `cbuiltins\ncomplex\n(${value}K\x01tR`],
    ['is encoded', `c_codecs\nencode\n(${value}tR`],
    ['is bytes', `cbuiltins\nbytearray\n(${value}tR`],
    ['is a set', `cbuiltins\nset\n(${value}tR`],
    ['is an OrderedDict', `ccollections\nOrderedDict\n(${value}tR`],
    ['is a Counter', `ccollections\nCounter\n(${value}tR`],
    ['is a state', `}${value}b${text('w')}K\x01s`],
    ['is a function', `${value})R`],
    ['is an argument list', `ccollections\nOrderedDict\n${value}R`],
    ['is a name', `${value}${text('x')}\x93`],
    ['is a persistent id', `${value}Q`],
    ['is the key of a storage', `(${text('storage')}ctorch\nFloatStorage\n${value}${text('cpu')}K\x04tQ`],
    [
      'is the length of a storage',
      `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}${value}tQ`,
    ],
    ['is a tensor', `ctorch._utils\n_rebuild_parameter\n(${value}tR`],
  ])(
    'that %s is refused in a few words',
    async (_, body) => {
      for (const key of [undefined, 'w', 'model']) {
        expect(await answerTo(legacyFileOf(body), key)).toEqual({ answer: expect.stringMatching(data) })
      }
      expect(await answerTo(writeArchive(zipRecordsOf(body)))).toEqual({
        answer: expect.stringMatching(data),
      })
    },
    300_000,
  )
})

describe('the head of a legacy file', () => {
  it.each(['magic number', 'version', 'list of storages'])(
    'whose %s is a list without measure is refused',
    async (what) => {
      const parts = ['\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19', 'M\xe9\x03', '}', '}', ']']
      parts[['magic number', 'version', 'types', 'object', 'list of storages'].indexOf(what)] = laugh
      const file = parts.map((body) => `\x80\x02${body}.`).join('')
      expect(await answerTo(Buffer.from(file, 'latin1'))).toEqual({
        answer: `refused: ERR_${what === 'magic number' ? 'NOT_STATE_DICT' : 'DAMAGED_FILE'}`,
      })
    },
    300_000,
  )
})

describe('a zip archive of some kilobytes', () => {
  const times = 20_000_000
  const bigint = (i: number) => {
    const bytes = Buffer.alloc(18, 0)
    bytes[0] = 0x8a
    bytes[1] = 16
    bytes.writeUInt32LE(i + 1, 10)
    return bytes
  }
  const pickled = (head: string, repeated: Buffer, count: number, tail = '') =>
    Buffer.concat([
      Buffer.from(`\x80\x02${head}`, 'latin1'),
      Buffer.alloc(repeated.length * count, repeated),
      Buffer.from(`${tail}.`, 'latin1'),
    ])
  const latin1 = (opcodes: string) => Buffer.from(opcodes, 'latin1')
  it.each<[string, () => Buffer]>([
    ['dicts', () => pickled(']', latin1('}a'), times)],
    ['lists', () => pickled(']', latin1(']a'), times)],
    ['sets', () => pickled(']', latin1('\x8fa'), times)],
    ['tuples', () => pickled(']', latin1('N\x85a'), times)],
    ['OrderedDicts', () => pickled(']q\0', latin1('ccollections\nOrderedDict\n)Ra'), times / 10)],
    ['notes in the memo', () => pickled('N', latin1('\x94'), times * 4)],
    ['values that are dropped again', () => pickled('N', latin1('N0'), times * 4)],
    ['values on the stack', () => pickled('', latin1('N'), times)],
    ['groups', () => pickled('', latin1('('), times)],
    [
      'sets of one long list',
      () => pickled(`(${'N'.repeat(60_000)}lq\0`, latin1('cbuiltins\nset\nh\0\x85R0'), 100_000),
    ],
    [
      'sets of one list of numbers',
      () =>
        pickled(
          `(${Array.from({ length: 250 }, (_, i) => `K${String.fromCharCode(i)}`).join('')}lq\0`,
          latin1('cbuiltins\nset\nh\0\x85R0'),
          500_000,
        ),
    ],
    [
      'copies of one long text',
      () =>
        pickled(`X\xff\xff\x0f\0${'x'.repeat(0xfffff)}q\0`, latin1('c_codecs\nencode\nh\0\x85R0'), 100_000),
    ],
    [
      'keys that hash alike',
      () =>
        Buffer.concat([
          latin1('\x80\x02}('),
          ...Array.from({ length: 300_000 }, (_, i) => Buffer.concat([bigint(i), latin1('N')])),
          latin1('u.'),
        ]),
    ],
  ])(
    'that unpacks to %s without end is refused in time',
    async (_, make) => {
      const file = writeArchive(zipRecordsOf(make()), true)
      expect(file.length).toBeLessThan(2_000_000)
      expect(await answerTo(file)).toEqual({ answer: 'refused: ERR_UNSAFE_PICKLE' })
    },
    300_000,
  )

  it('whose storages unpack to more than half a gigabyte is refused before they do', async () => {
    const storage = (key: string, count: string) =>
      `ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\nFloatStorage\n${text(key)}${text('cpu')}${count}tQK\0K\x02\x85K\x01\x85\x89)tR`
    const keys = Array.from({ length: 12 }, (_, i) => String(i))
    const body = `}(${keys.map((key) => text(`w${key}`) + storage(key, 'J\0\0\xc0\0')).join('')}u`
    const records = zipRecordsOf(body)
    const zeros = Buffer.alloc(12 * 2 ** 20 * 4)
    for (const key of keys) records.set(`archive/data/${key}`, zeros)
    expect(await answerTo(writeArchive(records, true))).toEqual({ answer: 'refused: ERR_DAMAGED_FILE' })
    for (const key of keys.slice(1)) records.delete(`archive/data/${key}`)
    records.set(
      'archive/data.pkl',
      zipRecordsOf(`}${text('w')}${storage('0', 'J\0\0\xc0\0')}s`).get('archive/data.pkl')!,
    )
    expect(await answerTo(writeArchive(records, true))).toEqual({ answer: 'loaded' })
  }, 300_000)
})
