import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { readMatStructs } from '../../src/data/mat-file.js'
import { array, element, matFile, mi, structArray } from '../support/mat-file.js'
import { root } from '../support/paths.js'

// Written by SciPy (test/fixtures/make_meta_mat.py).
const file = readFileSync(`${root}/test/fixtures/meta.mat`)

describe('readMatStructs', () => {
  it('reads numbers and texts, compressed or not, and leaves arrays out', () => {
    const records = readMatStructs('meta.mat', file, 'synsets')
    expect(records.map(({ ILSVRC2012_ID, WNID }) => [ILSVRC2012_ID, WNID])).toEqual([
      [1, 'n02119789'],
      [2, 'n01440764'],
      [3, 'n02100735'],
      [4, 'n01443537'],
      [1001, 'n02083346'],
      [1002, 'n01429349'],
    ])
    expect(records[4]).toEqual({
      ILSVRC2012_ID: 1001,
      WNID: 'n02083346',
      words: 'canine, canid',
      gloss: 'any of various fissiped mammals',
      num_children: 2,
      wordnet_height: 1,
      num_train_images: 0,
    })
    const variables = []
    for (let at = 128; at < file.length; at += 8 + file.readUInt32LE(at + 4)) {
      variables.push(inflateSync(file.subarray(at + 8)))
    }
    const plain = Buffer.concat([file.subarray(0, 128), ...variables])
    expect(readMatStructs('meta.mat', plain, 'synsets')).toEqual(records)
  })

  it('reads numbers of every type, and texts, by the description of the format', () => {
    const numbers: [type: number, value: number, bytes: number[]][] = [
      [mi.INT8, -2, [0xfe]],
      [mi.UINT8, 254, [0xfe]],
      [mi.INT16, -300, [0xd4, 0xfe]],
      [mi.UINT16, 65_236, [0xd4, 0xfe]],
      [mi.INT32, -70_000, [0x90, 0xee, 0xfe, 0xff]],
      [mi.UINT32, 4_294_897_296, [0x90, 0xee, 0xfe, 0xff]],
      [mi.SINGLE, -2.5, [0, 0, 0x20, 0xc0]],
      [mi.DOUBLE, -2.5, [0, 0, 0, 0, 0, 0, 0x04, 0xc0]],
    ]
    const texts: [type: number, bytes: Buffer][] = [
      [mi.UTF8, Buffer.from('n1, a fox')],
      [mi.UINT8, Buffer.from('n1, a fox')],
      [mi.UTF16, Buffer.from('n1, a fox', 'utf16le')],
      [mi.UINT16, Buffer.from('n1, a fox', 'utf16le')],
    ]
    for (const [type, value, bytes] of numbers) {
      for (const small of bytes.length <= 4 ? [true, false] : [false]) {
        const one = array(element(type, Buffer.from(bytes), small))
        const records = [
          [one, one],
          [array(element(mi.UINT8, Buffer.from([7]))), one],
        ]
        const file = matFile(structArray('s', ['first', 'second'], records))
        expect(readMatStructs('x.mat', file, 's')).toEqual([
          { first: value, second: value },
          { first: 7, second: value },
        ])
      }
    }
    for (const [type, bytes] of texts) {
      const file = matFile(structArray('s', ['name'], [[array(element(type, bytes), 'text', 9)]]))
      expect(readMatStructs('x.mat', file, 's')).toEqual([{ name: 'n1, a fox' }])
    }
  })

  it('leaves out of a record what is no number and no text: several numbers, none, no array', () => {
    const several = array(element(mi.UINT8, Buffer.from([1, 2])), 'number', 2)
    const none = array(element(mi.UINT8, Buffer.alloc(0)), 'number', 0)
    const values = [several, none, element(mi.MATRIX, Buffer.alloc(0)), element(mi.DOUBLE, Buffer.alloc(8))]
    const seven = array(element(mi.UINT8, Buffer.from([7])))
    const file = matFile(structArray('s', ['a', 'b', 'c', 'd', 'e'], [[...values, seven]]))
    expect(readMatStructs('x.mat', file, 's')).toEqual([{ e: 7 }])
  })

  it('refuses what is damaged, another file, or without the variable', () => {
    const refused = expect.objectContaining({ code: 'ERR_DATASET' })
    for (let length = 0; length < file.length; length += 13) {
      expect(() => readMatStructs('meta.mat', file.subarray(0, length), 'synsets')).toThrow(refused)
    }
    for (let at = 0; at < file.length; at += 5) {
      const damaged = Buffer.from(file)
      damaged[at] = damaged[at]! ^ 0x55
      try {
        readMatStructs('meta.mat', damaged, 'synsets')
      } catch (error) {
        expect(error).toEqual(refused)
      }
    }
    expect(() => readMatStructs('meta.mat', file, 'classes')).toThrow('it has no such variable')
    expect(() => readMatStructs('x.png', Buffer.alloc(200), 'synsets')).toThrow('it has another header')
  })
})
