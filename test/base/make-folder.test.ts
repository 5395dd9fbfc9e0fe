import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFolder, makeFolderSync } from '../../src/base/index.js'
import { temporaryFolder } from '../support/paths.js'

describe('makeFolder', () => {
  it('creates the folders above too, and leaves a folder that exists', async () => {
    const folder = join(temporaryFolder(), 'a', 'b')
    await makeFolder(folder)
    expect(existsSync(folder)).toBe(true)
    await makeFolder(folder)
    makeFolderSync(folder)
  })

  it.each([
    ['file', 'there is a file at this path; name another folder'],
    ['file/below', 'a part of its path is a file; name another folder'],
  ])('says that a file is in the way of %s', async (path, reason) => {
    const root = temporaryFolder()
    writeFileSync(join(root, 'file'), '')
    const folder = join(root, path)
    const refused = { code: 'ERR_OUTPUT', message: `${folder}: the folder cannot be created: ${reason}` }
    await expect(makeFolder(folder)).rejects.toMatchObject(refused)
    expect(() => makeFolderSync(folder)).toThrow(expect.objectContaining(refused))
  })
})
