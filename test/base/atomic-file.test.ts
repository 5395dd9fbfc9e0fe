import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { writeAtomically } from '../../src/base/atomic-file.js'
import { root, temporaryFolder } from '../support/paths.js'

describe('writeAtomically', () => {
  it('leaves the file that was there until the new one is whole', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'weights.pt')
    writeFileSync(path, 'old')
    const failed = writeAtomically(path, async (written) => {
      await writeFile(written, 'half of the n')
      expect(readFileSync(path, 'utf8')).toBe('old')
      throw new Error('the disk')
    })
    await expect(failed).rejects.toThrow('the disk')
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['weights.pt'])
    await writeAtomically(path, async (written) => {
      await writeFile(written, 'new')
      expect(readFileSync(path, 'utf8')).toBe('old')
    })
    expect(readFileSync(path, 'utf8')).toBe('new')
    expect(readdirSync(folder)).toEqual(['weights.pt'])
  })

  it('leaves the file that was there if the process is killed halfway', async () => {
    const path = join(temporaryFolder(), 'weights.pt')
    writeFileSync(path, 'old')
    const script = `
      import { writeFileSync } from 'node:fs'
      import { writeAtomically } from '${root}/dist/base/index.js'
      await writeAtomically(process.argv[1], async (written) => {
        writeFileSync(written, 'half of the n')
        process.kill(process.pid, 'SIGKILL')
        await new Promise((resolve) => setTimeout(resolve, 10_000))
      })`
    const signal = await new Promise((resolve) => {
      const args = ['--input-type=module', '--eval', script, path]
      execFile(process.execPath, args, (error) => resolve(error?.signal))
    })
    expect(signal).toBe('SIGKILL')
    expect(readFileSync(path, 'utf8')).toBe('old')
  })
})
