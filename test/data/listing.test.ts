import { mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { imageFolder } from '../../src/index.js'

import { folderWith, recipe } from '../support/colours.js'
import { reference } from '../support/python.js'

afterEach(() => vi.restoreAllMocks())

/** What a dataset holds, in the form of test/reference/image_folder_listing.py. */
async function listed(root: string) {
  const { classes, labels, load } = await imageFolder(
    root,
    { ...recipe, crop: 8, resize: 8 },
    { skipCorrupt: true },
  )
  const paths = await Promise.all(
    [...labels.keys()].map(async (i) => (await load([i])).skipped[0]?.path ?? `loaded ${i}`),
  )
  return { classes, samples: paths.map((path, i) => [relative(root, path), labels[i]!]) }
}

// Files that are not images: each is skipped, and `skipped` has its path.
const empty = ''

describe('folders of classes', () => {
  it("are torchvision's, in its order, links and all", async () => {
    const root = await folderWith({
      'b/2.png': empty,
      'b/10.PNG': empty,
      'b/-x/1.Jpg': empty,
      'b/x-y/1.png': empty,
      'b/x/1.png': empty,
      'b/x/deep/3.JPEG': empty,
      'b/notes.txt': empty,
      'b/3.PPM': empty,
      'b/4.pgm': empty,
      'b/4.pbm': empty,
      'a/sub.jpg/1.jpg': empty,
      'a/1.WebP': empty,
      '\u{1f600}/1.tif': empty, // beyond 16 bits, and so after U+FB01
      '\ufb01/1.tiff': empty,
      'Z z /1.png': empty,
      'no folder.txt': empty,
    })
    const outside = await folderWith({ 'images/1.png': empty, 'more/2.png': empty, 'file.png': empty })
    symlinkSync(join(outside, 'images'), join(root, 'linked'))
    symlinkSync(join(outside, 'more'), join(root, 'a/linked'))
    symlinkSync(join(outside, 'file.png'), join(root, 'a/0.png'))
    symlinkSync(join(outside, 'file.png'), join(root, 'link to a file'))
    symlinkSync(join(outside, 'file.png'), join(root, 'link.png'))
    symlinkSync(join(outside, 'nowhere'), join(root, 'dangling'))
    expect(await listed(root)).toEqual(await reference('image_folder_listing', { folder: root }))
    symlinkSync('..', join(root, 'a/up')) // torchvision follows it some forty times
    symlinkSync('.', join(root, 'b/x/here'))
    symlinkSync('circle', join(root, 'circle')) // torchvision ends with an error
    const found = await listed(root)
    for (const link of ['a/up', 'b/x/here', 'circle']) unlinkSync(join(root, link))
    expect(found).toEqual(await listed(root))
  })

  it('without images are refused, as by torchvision', async () => {
    const root = await folderWith({ 'a/1.png': empty, 'b/1.jfif': empty, 'c/1.png': empty })
    mkdirSync(join(root, 'd'))
    const { error } = await reference('image_folder_listing', { folder: root })
    expect(error).toContain('no valid file for the classes b, d')
    const refused = expect.objectContaining({
      code: 'ERR_DATASET',
      message: expect.stringContaining('there are none in b, d; files that end in .jfif are not read'),
    })
    await expect(imageFolder(root, recipe)).rejects.toEqual(refused)
    rmSync(join(root, 'd'), { recursive: true })
    rmSync(join(root, 'b'), { recursive: true })
    expect((await imageFolder(root, recipe)).classes).toEqual(['a', 'c'])
  })

  it('may hold what systems leave, which is no class and no image', async () => {
    const root = await folderWith({
      'a/1.png': 0,
      'a/._1.png': 'AppleDouble',
      'a/.thumbnails/1.png': 1,
      'a/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg': 1,
      'b/1.png': 1,
      '__MACOSX/a/._1.png': 'AppleDouble',
      '@eaDir/x.png': 1,
      '.ipynb_checkpoints/1.png': 1,
      'lost+found/1.png': 1,
    })
    const { classes, labels } = await imageFolder(root, recipe)
    expect([classes, [...labels]]).toEqual([
      ['a', 'b'],
      [0, 1],
    ])
  })

  it('report images that are left out since they are not read', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const root = await folderWith({
      'a/1.png': 0,
      'a/2.jfif': 0,
      'b/1.png': 1,
      'b/2.PBM': 0,
      'b/Thumbs.db': '',
    })
    expect((await imageFolder(root, recipe)).size).toBe(2)
    expect(warned).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(
        /2 files are left out, such as .*2\.jfif: files that end in \.jfif, \.pbm are not read/,
      ),
      { code: 'SOS_FILES_LEFT_OUT' },
    )
  })

  it('of one name in two spellings of Unicode are refused', async () => {
    const root = await folderWith({ 'caf\u00e9/1.png': 0, 'cafe\u0301/1.png': 1 })
    await expect(imageFolder(root, recipe)).rejects.toThrow('could be class 0 or 1, which have the same name')
    writeFileSync(join(root, 'classes.txt'), 'bee\ncaf\u00e9\n')
    await expect(imageFolder(root, recipe)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('are the same name in two spellings'),
    })
  })

  it('are found in classes.txt whatever its line ends, spaces and spelling of Unicode', async () => {
    const root = await folderWith({
      'cafe\u0301/1.png': 0,
      'bee/1.png': 1,
      'classes.txt': '\ufeffbee  \r\nother\r\n caf\u00e9\r\n\r\n',
    })
    const { classes, labels } = await imageFolder(root, recipe)
    expect([classes, [...labels]]).toEqual([
      ['bee', 'other', 'caf\u00e9'],
      [0, 2],
    ])
    for (const [content, message] of [
      [Buffer.from('caf\xe9\nbee\n', 'latin1'), 'UTF-8'],
      [Buffer.from('\ufeffbee\n', 'utf16le'), 'UTF-8'],
      ['bee\n\ncaf\u00e9\n', 'line 2: expected a class name but the line is empty'],
      ['', 'line 1: expected a class name but the line is empty'],
      ['bee\ncaf\u00e9\nbee\n', 'could be class 0 or 2'],
    ] as const) {
      const other = await folderWith({ 'bee/1.png': 1, 'caf\u00e9/1.png': 0, 'classes.txt': content })
      const refused = expect.objectContaining({
        code: 'ERR_DATASET',
        message: expect.stringContaining(message),
      })
      await expect(imageFolder(other, recipe)).rejects.toEqual(refused)
    }
  })
})
