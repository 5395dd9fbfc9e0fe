import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeLibTorch } from '../../support/scratch-checkout.js'
import { scratchSetup, setupScript } from '../../support/scratch-setup.js'

const { expectWritable, explainUnwritable, refuseUnusablePaths } = await setupScript('paths')
const { SetupFailure } = await setupScript('failure')
const scratch = scratchSetup()

describe('the path of a checkout', { timeout: 60_000 }, () => {
  it.each(["it's", '$HOME & more', 'größe 日本', '100% #1', '(a) {b} ~!@^=+`'])('may be %s', async (name) => {
    const root = `${scratch.root} ${name}`
    renameSync(scratch.root, root)
    scratch.root = root
    expect(await scratch.setup({ LIBTORCH: scratch.torch })).toMatchObject({ code: 0 })
  })

  it.each(['a;b', 'a"b', 'a,b', 'a:b', 'a*b', 'a?b', 'a|b', 'a[1]', 'a\nb'])(
    'is refused before anything is done if it is %j',
    async (name) => {
      const root = `${scratch.root}-${name}`
      renameSync(scratch.root, root)
      scratch.root = root
      const { code, stderr } = await scratch.setup({ LIBTORCH: scratch.torch })
      const character = JSON.stringify(/[^\w]/.exec(name)![0])
      expect(code).toBe(1)
      expect(stderr).toContain(
        `the character ${character} in the path of the package, ${JSON.stringify(root)}`,
      )
      expect(stderr).toContain('Rename the folder')
      expect(stderr).not.toContain('    at ')
      expect(scratch.calls()).toEqual([])
    },
  )

  it('is refused for a libtorch too', async () => {
    const torch = `${scratch.torch},2.13`
    makeLibTorch(torch, '2.13.0')
    const { stderr } = await scratch.setup({ LIBTORCH: torch })
    expect(stderr).toContain('the character "," in the path of libtorch')
    expect(() => refuseUnusablePaths({ 'the package': '/home/me', libtorch: undefined })).not.toThrow()
    expect(() => refuseUnusablePaths({ libtorch: 'a\\b' })).toThrow(SetupFailure) // Node itself runs no modules there
  })
})

describe('a folder that cannot be written', () => {
  it.skipIf(process.getuid?.() === 0)('is named, with the reason', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sos-unwritable-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o555)
    expect(() => expectWritable([folder])).toThrow(expect.objectContaining({ code: 'EACCES', path: folder }))
    chmodSync(scratch.root, 0o555)
    const { code, stderr } = await scratch.setup({ LIBTORCH: scratch.torch })
    chmodSync(scratch.root, 0o755)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^setup: .*check out cannot be written: this user may not\. .*\n$/),
    })
  })

  it.each([
    ['EACCES', 'this user may not'],
    ['EROFS', 'the file system is read-only'],
    ['ENOSPC', 'the disk is full'],
  ])('is explained for %s', (code, reason) => {
    const error = Object.assign(new Error(code), { code, path: '/clone/build' })
    const explained = explainUnwritable(error)
    expect(explained).toBeInstanceOf(SetupFailure)
    expect(explained.message).toContain(`/clone/build cannot be written: ${reason}.`)
  })

  it('is not seen in other errors', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sos-other-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'file'), '')
    try {
      mkdirSync(join(folder, 'file/below'))
      expect.unreachable()
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOTDIR')
      expect(explainUnwritable(error)).toBe(error)
    }
  })
})
