import { describe, expect, it } from 'vitest'

import { columnsOf, separatorOf } from '../../src/data/csv.js'
import { isMutated } from '../support/timed.js'

describe('a line of a CSV file', () => {
  it.each<[string, ReturnType<typeof separatorOf>, string[] | null]>([
    ['a.jpg,cat', ',', ['a.jpg', 'cat']],
    [' a.jpg ; cat , big ; 3', ';', ['a.jpg', 'cat , big', '3']],
    ['a b.jpg\tcat', '\t', ['a b.jpg', 'cat']],
    ['"a,b.jpg", "tench, Tinca tinca"', ',', ['a,b.jpg', 'tench, Tinca tinca']],
    ['"say ""cat""",x', ',', ['say "cat"', 'x']],
    ['a,,b,', ',', ['a', '', 'b', '']],
    ['one column', null, null],
    ['"a,b', null, null],
    ['a,"b', ',', null],
    ['a,"b"c', ',', null],
    ['a,b"c"', ',', null],
    ['', null, null],
  ])('%s', (line, separator, columns) => {
    expect(separatorOf(line)).toBe(separator)
    expect(separator && columnsOf(line, separator)).toEqual(columns)
  })

  it.skipIf(isMutated)('is read in one pass, whatever it holds', () => {
    const start = performance.now()
    for (const piece of ['\t', ',', ';', '"', '""', ' ', '", "', 'a"', ' ,\t']) {
      const line = piece.repeat(200_000)
      for (const separator of [',', ';', '\t'] as const) columnsOf(line, separator)
      separatorOf(line)
    }
    expect(performance.now() - start).toBeLessThan(10_000)
  })
})
