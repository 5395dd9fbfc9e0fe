import { describe, expect, it } from 'vitest'

import { parseSpec } from '../../src/data/open-dataset.js'

describe('parseSpec', () => {
  it('reads KIND:PATH[:SPLIT]', () => {
    expect(parseSpec('imagefolder:a/b:c')).toEqual({ kind: 'imagefolder', folder: 'a/b:c' })
    expect(parseSpec('imagenet:/a/b:val')).toEqual({ kind: 'imagenet', folder: '/a/b', split: 'val' })
    expect(parseSpec('imagenet:/a/b:train')).toEqual({ kind: 'imagenet', folder: '/a/b', split: 'train' })
    expect(parseSpec('idx:/x/y:train')).toEqual({ kind: 'idx', folder: '/x/y', split: 'train' })
    expect(parseSpec('idx:/x/y:test')).toEqual({ kind: 'idx', folder: '/x/y', split: 'test' })
    expect(parseSpec('cifar10:a/b:train')).toEqual({
      kind: 'cifar10',
      folder: 'a/b',
      split: 'train',
      labels: 'fine',
    })
    expect(parseSpec('cifar100:a:test:coarse')).toMatchObject({
      folder: 'a',
      split: 'test',
      labels: 'coarse',
    })
    expect(parseSpec('cifar100:a/b.bin')).toMatchObject({ folder: 'a/b.bin', split: null, labels: 'fine' })
    expect(parseSpec('cifar100:b.bin:coarse')).toMatchObject({
      folder: 'b.bin',
      split: null,
      labels: 'coarse',
    })
  })

  it.each([
    '',
    'x',
    'cifar:x',
    'idx:x',
    'idx:x:val',
    'idx::train',
    'imagefolder:',
    'cifar10:x',
    'cifar10::test',
    'cifar10:x:test:coarse',
    'cifar100:x:coarse',
    'imagenet:x',
    'imagenet:x:test',
  ])('refuses %j', (text) => {
    expect(() => parseSpec(text)).toThrow(expect.objectContaining({ code: 'ERR_SPEC' }))
  })
})
