import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { root } from './support/paths.js'

function codesIn(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|cpp|h)$/.test(entry.name))
    .flatMap(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8').match(pattern) ?? [])
}

const sorted = (codes: Iterable<string>) => [...new Set(codes)].sort()

describe('docs/errors.md', () => {
  it('lists the codes that the package throws, and no others', () => {
    const documented = readFileSync(`${root}/docs/errors.md`, 'utf8').match(/ERR_[A-Z_]+/g) ?? []
    const thrown = sorted([
      ...codesIn(`${root}/src`, /ERR_[A-Z_]+/g),
      ...codesIn(`${root}/native`, /ERR_[A-Z_]+/g),
    ])
    expect(thrown.length).toBeGreaterThan(60)
    expect(sorted(documented)).toEqual(thrown)
  })

  it('lists the codes of the warnings, and no others', () => {
    const documented = readFileSync(`${root}/docs/errors.md`, 'utf8').match(/(?<=\| `)SOS_[A-Z_]+/g) ?? []
    const emitted = codesIn(`${root}/src`, /(?<=')SOS_[A-Z_]+(?=')/g)
    expect(emitted.length).toBeGreaterThan(8)
    expect(sorted(documented)).toEqual(sorted(emitted))
  })
})
