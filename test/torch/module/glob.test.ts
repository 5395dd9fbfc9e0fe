import { describe, expect, it } from 'vitest'

import { matchesGlob } from '../../../src/torch/module/glob.js'

describe('a glob of submodules', () => {
  it.each<[string, string[], string[]]>([
    [
      'layer1.*.conv?',
      ['layer1.0.conv1', 'layer1..conv2'],
      ['layer1.0.conv', 'layer1.0.1.conv1', 'layer1.0.conv12'],
    ],
    ['**', ['a', 'a.b.c'], ['']],
    ['**.conv*', ['a.conv', 'a.b.conv1', 'a.conv.conv'], ['conv', 'conv1', 'a.conv.bn']],
    ['*', ['a', ''], ['a.b']],
    ['???', ['abc'], ['ab', 'abcd', 'a.c']],
    ['a+(b)[c]$', ['a+(b)[c]$'], ['aab[c]$']],
    ['***', ['a', 'a.b'], ['']],
    ['a**b', ['a.b', 'axxb', 'a.x.b'], ['ab']],
  ])('%s', (glob, matching, others) => {
    for (const path of matching) expect([path, matchesGlob(glob, path)]).toEqual([path, true])
    for (const path of others) expect([path, matchesGlob(glob, path)]).toEqual([path, false])
  })

  it('takes no longer for many stars on a long path', () => {
    const start = performance.now()
    expect(matchesGlob('**a'.repeat(40), `${'a.'.repeat(20_000)}b`)).toBe(false)
    expect(performance.now() - start).toBeLessThan(5000)
  })
})
