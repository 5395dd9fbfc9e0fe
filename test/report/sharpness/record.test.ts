import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSharpnessRecord } from '../../../src/report/index.js'

import { temporaryFolder } from '../../support/paths.js'
import { only, record } from './record.js'

const folder = temporaryFolder()
let files = 0

function file(content: string): string {
  const path = join(folder, `${files++}.json`)
  writeFileSync(path, content)
  return path
}

describe('readSharpnessRecord', () => {
  it.each([record, only('trace'), only('eigenvalues'), only('density'), only()])(
    'gives back what was written',
    async (one) => {
      expect(await readSharpnessRecord(file(JSON.stringify(one)))).toEqual(one)
    },
  )

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['JSON that is too deep', '['.repeat(500)],
    ['a list', '[]'],
    ['an infinite number', JSON.stringify(record).replace('"value":10', '"value":1e999')],
    ['a negative error', JSON.stringify(record).replace('"standardError":1.5', '"standardError":-1.5')],
    ['fewer weights than nodes', JSON.stringify(record).replace('"weights":[0.1,', '"weights":[')],
    ['half a sample', JSON.stringify(record).replace('"samples":4096', '"samples":0.5')],
    ['an unknown matrix', JSON.stringify({ ...record, operator: 'identity' })],
    ['something unknown', JSON.stringify({ ...record, more: 1 })],
    ['no eigenvalue', JSON.stringify({ ...record, eigenvalues: [] })],
  ])('refuses %s', async (_, content) => {
    expect(content).not.toBe(JSON.stringify(record))
    await expect(readSharpnessRecord(file(content))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_RECORD' }),
    )
  })

  it('says that there is no such file', async () => {
    await expect(readSharpnessRecord(join(folder, 'none.json'))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_FILE_NOT_FOUND' }),
    )
  })
})
