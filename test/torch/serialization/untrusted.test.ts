import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadStateDict } from '../../../src/index.js'
import { readSafetensors } from '../../../src/torch/index.js'

import { temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'

const folder = temporaryFolder()
const code = (expected: string) => expect.objectContaining({ code: expected })

let malicious: string[]
beforeAll(async () => {
  malicious = await reference('weights', { untrusted: folder })
})

/** A legacy file whose object is this pickle body, without storages. Latin-1 text, as are all pickles here. */
function legacyFile(body: string): Buffer {
  const magic = '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'
  return Buffer.from(`${magic}\x80\x02M\xe9\x03.\x80\x02}.\x80\x02${body}.\x80\x02].`, 'latin1')
}

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`
const integer = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return `\x8a\x08${bytes.toString('latin1')}`
}
/** A dict with one tensor over a storage of `count` floats. */
const tensor = (
  count: number,
  offset: number,
  shape: number[],
  strides: number[],
  storage = 'FloatStorage',
) =>
  `}${text('w')}ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\n${storage}\n${text('0')}${text('cpu')}` +
  `${integer(count)}NtQ${integer(offset)}(${shape.map(integer).join('')}t(${strides.map(integer).join('')}t\x89}tRs`

/** The file with that tensor and its storage of `count` zeros. */
function fileOfTensor(...described: Parameters<typeof tensor>): Buffer {
  const [count] = described
  const head = legacyFile(tensor(...described)).subarray(0, -2)
  const length = Buffer.alloc(8)
  length.writeBigInt64LE(BigInt(count))
  return Buffer.concat([
    head,
    Buffer.from(`]${text('0')}a.`, 'latin1'),
    length,
    Buffer.alloc(Math.min(Math.max(count, 0), 64) * 4),
  ])
}

describe('a pickle', () => {
  it('that names functions is refused by their names, and nothing of it is run', async () => {
    expect(malicious.length).toBeGreaterThan(10)
    for (const name of malicious) {
      // A pickled module is not an attack: the error names it.
      const expected = name.startsWith('module.') ? 'ERR_NOT_STATE_DICT' : 'ERR_UNSAFE_PICKLE'
      await expect(loadStateDict(join(folder, name)), name).rejects.toEqual(code(expected))
    }
    await expect(loadStateDict(join(folder, 'system.pt'))).rejects.toThrow(/posix\.system/)
    await expect(loadStateDict(join(folder, 'eval.pth'))).rejects.toThrow(/eval/)
    expect(existsSync(join(folder, 'trapped'))).toBe(false)
  })

  it('that runs programs is refused beside a key too; an object that nothing is known of is passed over', async () => {
    const whole = (body: string) =>
      Buffer.concat([
        legacyFile(`}(${text('x')}${body}${text('net')}${tensor(1, 0, [1], [1])}u`).subarray(0, -2),
        Buffer.from(`]${text('0')}a.`, 'latin1'),
        Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f]),
      ])
    for (const name of [
      'os\nsystem',
      'posix\nsystem',
      'subprocess\nPopen',
      'builtins\neval',
      '__builtin__\neval',
    ]) {
      const loaded = loadStateDict(whole(`c${name}\n(${text('true')}tR`), { key: 'net' })
      await expect(loaded, name).rejects.toEqual(code('ERR_UNSAFE_PICKLE'))
    }
    for (const name of ['argparse\nNamespace', 'train\nConfig', 'functools\npartial', '__main__\neval']) {
      for (const made of ['(tR', ')\x81', ')}\x92', `(tR}(${text('a')}K\x01ub`, '(tR(K\x01e', '(tR)R']) {
        const net = await loadStateDict(whole(`c${name}\n${made}`), { key: 'net' })
        expect([...net].map(([key, value]) => [key, value.toArray()])).toEqual([['w', [1]]])
      }
    }
  })

  it.each([
    ['names an attribute through a dotted path', `ctorch\nload.__globals__\n`],
    ['names a function on the stack', `${text('os')}${text('system')}\x93`],
    ['makes an instance of a class', `(icodecs\nopen\n`],
    ['calls a text', `${text('system')}(tR`],
    ['calls a dtype', 'ctorch\nfloat32\n)R'],
    ['calls what an extension code stands for', '\x82\x01'],
    ['sets attributes of a function', 'ccollections\nOrderedDict\n}b'],
    ['is nested too deep', '('.repeat(100_000)],
    ['grows as it is read', `(${'N'.repeat(200_000)}lq\0${`c__builtin__\nset\nh\0\x85R`.repeat(1000)}`],
  ])('that %s is refused', async (_, body) => {
    await expect(loadStateDict(legacyFile(body))).rejects.toEqual(code('ERR_UNSAFE_PICKLE'))
  })

  it.each([
    ['takes more than it has', 'R'],
    ['takes values below a mark', 'N(\x85'],
    ['ends a group that did not begin', 't'],
    ['recalls what it did not remember', 'h\x07'],
    ['appends to a number', 'K\x01K\x02a'],
    ['sets an odd number of items', '}(K\x01u'],
    ['claims a text of gigabytes', 'X\xff\xff\xff\x7fx'],
    ['claims a text of 2^63 bytes', `\x8d${'\xff'.repeat(8)}x`],
    ['claims an integer of gigabytes', '\x8b\xff\xff\xff\x7f'],
    ['has a text that is not UTF-8', 'X\x01\0\0\0\xff'],
    ['rebuilds a tensor of nothing', 'ctorch._utils\n_rebuild_tensor_v2\n(NK\0))\x89}tR'],
    ['rebuilds a tensor without arguments', 'ctorch._utils\n_rebuild_tensor_v2\n)R'],
    ['loads a storage by a text', `${text('storage')}Q`],
    ['goes on without an end', 'N'.repeat(10)],
  ])('that %s is damaged', async (_, body) => {
    await expect(loadStateDict(legacyFile(body).subarray(0, -6))).rejects.toEqual(code('ERR_DAMAGED_FILE'))
  })

  it('of nothing but nested lists is data, but no weights', async () => {
    const lists = `${']'.repeat(100_000)}${'a'.repeat(99_999)}`
    await expect(loadStateDict(legacyFile(lists))).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
    const laughs = `]q\0${Array.from({ length: 100 }, () => '](h\0h\0h\0h\0eq\0').join('')}`
    await expect(loadStateDict(legacyFile(laughs))).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
  })
})

describe('a tensor in a pickle', () => {
  it('is read where it lies within its storage', async () => {
    const tensors = await loadStateDict(fileOfTensor(6, 1, [2, 2], [3, 1]))
    expect(tensors.get('w')!.toArray()).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect((await loadStateDict(fileOfTensor(1, 0, [4, 4], [0, 0]))).get('w')!.shape).toEqual([4, 4])
    expect((await loadStateDict(fileOfTensor(0, 0, [2, 0], [1, 1]))).get('w')!.shape).toEqual([2, 0])
  })

  it('is read if Python 2 wrote its texts, as bytes', async () => {
    const file = fileOfTensor(6, 1, [2], [1]).toString('latin1')
    const old = Buffer.from(file.replace(/X(.)\0\0\0/g, 'U$1'), 'latin1')
    expect(old.length).toBeLessThan(file.length)
    expect((await loadStateDict(old)).get('w')!.toArray()).toEqual([0, 0])
  })

  it.each<[string, Parameters<typeof tensor>]>([
    ['ends behind it', [6, 2, [2, 2], [3, 1]]],
    ['begins behind it', [6, 7, [], []]],
    ['begins before it', [6, -1, [1], [1]]],
    ['has a negative stride', [6, 5, [3], [-1]]],
    ['has a negative size', [6, 0, [-3], [1]]],
    ['has sizes whose product overflows', [6, 0, [2 ** 40, 2 ** 40], [0, 0]]],
    ['has strides that overflow', [6, 0, [2 ** 40, 2], [2 ** 40, 1]]],
    ['has less strides than sizes', [6, 0, [2, 2], [1]]],
    ['has a thousand dimensions', [6, 0, Array(1000).fill(1), Array(1000).fill(1)]],
    ['has a storage larger than the file', [2 ** 40, 0, [1], [1]]],
    ['has a storage of a size that no number holds', [2 ** 52, 2 ** 52, [2 ** 52], [1]]],
    ['has a storage of negative size', [-1, 0, [0], [1]]],
  ])('that %s is refused', async (_, described) => {
    await expect(loadStateDict(fileOfTensor(...described))).rejects.toEqual(code('ERR_DAMAGED_FILE'))
  })
})

describe('a safetensors header', () => {
  const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  })
  const file = (header: unknown, bytes: number, length?: bigint): Buffer => {
    const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(length ?? BigInt(json.length))
    return Buffer.concat([prefix, json, Buffer.alloc(bytes)])
  }
  const whole = { a: entry('F32', [2], 0, 8), b: entry('BOOL', [3], 8, 11) }

  it('is read if it is whole', async () => {
    const { tensors } = await readSafetensors(file(whole, 11))
    expect([...tensors.keys()]).toEqual(['a', 'b'])
    expect((await readSafetensors(file(`${JSON.stringify(whole)}   `, 11))).tensors.size).toBe(2)
    const strange = { ['__proto__']: entry('U8', [1], 0, 1), '': entry('I8', [], 1, 2) }
    expect([...(await readSafetensors(file(strange, 2))).tensors.keys()]).toEqual(['__proto__', ''])
  })

  it.each<[string, Buffer]>([
    ['leaves bytes over at the end', file(whole, 12)],
    ['needs more bytes than there are', file(whole, 10)],
    ['leaves a hole', file({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 2, 3) }, 3)],
    ['lets tensors overlap', file({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 1, 3) }, 3)],
    ['begins late', file({ a: entry('U8', [1], 1, 2) }, 2)],
    ['has a range that ends before it begins', file({ a: entry('U8', [1], 1, 0) }, 1)],
    ['has a shape of another size', file({ a: entry('F32', [3], 0, 8) }, 8)],
    ['has a shape that overflows', file({ a: entry('U8', [2 ** 50, 2 ** 50, 0], 0, 0) }, 0)],
    ['has a negative extent', file({ a: entry('U8', [-1, -1], 0, 1) }, 1)],
    ['has a fraction for an extent', file({ a: entry('U8', [0.5, 2], 0, 1) }, 1)],
    ['has a shape that is no list', file({ a: entry('U8', { length: 0 }, 0, 1) }, 1)],
    ['has three offsets', file({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 1] } }, 1)],
    ['lacks a dtype', file({ a: { shape: [1], data_offsets: [0, 1] } }, 1)],
    ['has an entry that is null', file({ a: null }, 0)],
    ['has metadata that is no text', file({ __metadata__: { a: 1 } }, 0)],
    ['has a name twice', file(`{"a":${JSON.stringify(whole.a)},"\\u0061":${JSON.stringify(whole.a)}}`, 8)],
    ['has a field twice', file('{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1)],
    ['claims a length of 2^64', file(whole, 11, 2n ** 64n - 1n)],
    ['claims a length behind the end', file(whole, 11, 10_000n)],
    ['claims 100 MB', file(whole, 11, 100_000_001n)],
    ['is no JSON', file('{"a":', 0)],
    ['is a list', file('[]', 0)],
    ['is not UTF-8', Buffer.concat([file('', 0, 3n), Buffer.from('{\xff}', 'latin1')])],
    ['is missing', Buffer.alloc(7)],
  ])('that %s is refused', async (_, bytes) => {
    await expect(readSafetensors(bytes)).rejects.toEqual(code('ERR_DAMAGED_FILE'))
  })

  it('of an unknown dtype is refused by its name', async () => {
    await expect(readSafetensors(file({ a: entry('F7', [1], 0, 1) }, 1))).rejects.toEqual(code('ERR_DTYPE'))
  })
})

describe.each(['base.pt', 'base.pth', 'base.safetensors'])('%s', (name) => {
  it('survives any damage: it loads, or an error with a code says why not', async () => {
    const whole = readFileSync(join(folder, name))
    expect((await loadStateDict(whole)).size).toBe(3)
    const at = fc.nat(whole.length - 1)
    const seed = Date.now()
    console.info(`damage to ${name}: seed ${seed}`) // before a crash, which could not tell it
    const damage = fc.record({
      keep: fc.oneof({ weight: 3, arbitrary: fc.constant(whole.length) }, at),
      flips: fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ keep, flips }) => {
        const bytes = Buffer.from(whole)
        for (const [offset, bits] of flips) bytes[offset]! ^= bits
        try {
          const tensors = await loadStateDict(bytes.subarray(0, keep))
          for (const tensor of tensors.values()) tensor.dispose()
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_/) })
        }
      }),
      { numRuns: 700, seed },
    )
  })
})
