import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { readMatStructs } from '../../src/data/mat-file.js'
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
    expect(() => readMatStructs('meta.mat', file, 'classes')).toThrow('it has none')
    expect(() => readMatStructs('x.png', Buffer.alloc(200), 'synsets')).toThrow('its header is another')
  })
})
