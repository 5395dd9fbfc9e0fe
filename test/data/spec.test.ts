import { describe, expect, it } from 'vitest'

import { parseSpec } from '../../src/data/spec.js'

describe('parseSpec', () => {
  it('reads KIND:PATH[:SPLIT]', () => {
    expect(parseSpec('imagefolder:a/b:c')).toEqual({ kind: 'imagefolder', folder: 'a/b:c' })
    expect(parseSpec('idx:/x/y:test')).toEqual({ kind: 'idx', folder: '/x/y', split: 'test' })
  })

  it.each(['', 'x', 'cifar:x', 'idx:x', 'idx:x:val', 'idx::train', 'imagefolder:'])('refuses %j', (text) => {
    expect(() => parseSpec(text)).toThrow(expect.objectContaining({ code: 'ERR_SPEC' }))
  })
})
