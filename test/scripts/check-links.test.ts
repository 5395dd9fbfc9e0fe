import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'
import { write } from '../support/scratch-checkout.js'

describe('scripts/check_links.mjs', () => {
  let folder: string
  const check = () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(folder, 'scripts/check_links.mjs')],
      {
        encoding: 'utf8',
      },
    )
    return { status, stdout, faults: stderr.trim().split('\n').filter(Boolean) }
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sos-test-'))
    execFileSync('git', ['init', '--quiet'], { cwd: folder })
    cpSync(join(root, 'scripts/check_links.mjs'), join(folder, 'scripts/check_links.mjs'))
    write(
      join(folder, 'README.md'),
      '# One `two` — three!\n\n[a](#one-two--three) [b](docs/guide.md#again-1) [c](https://example.org/none)\n' +
        '`[code](none.md)`\n\n```sh\n[code](none.md)\n```\n',
    )
    write(
      join(folder, 'docs/guide.md'),
      '## Again\n\n## Again\n\n[up](../README.md) ![figure](figure.svg) [folder](../scripts/)\n',
    )
    write(join(folder, 'docs/figure.svg'), '<svg/>')
    write(join(folder, 'build/docs/index.html'), '<h1 id="top">A</h1><a href="a%20b.html#x&amp;y">B</a>')
    write(join(folder, 'build/docs/a b.html'), '<p id="x&amp;y"><a href="index.html#top">A</a></p>')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('accepts files and anchors that exist, and looks neither at code nor at other sites', () => {
    expect(check()).toEqual({ status: 0, stdout: 'links: 7 in 4 pages\n', faults: [] })
  })

  it('names each link to a file or an anchor that does not exist', () => {
    write(join(folder, 'docs/wrong.md'), '[a](../none.md) [b](guide.md#again-2) ![c](none.svg) [d](#none)\n')
    write(join(folder, 'build/docs/wrong.html'), '<a href="none.html">A</a><a href="index.html#none">B</a>')
    const { status, faults } = check()
    expect(status).toBe(1)
    expect(faults).toEqual([
      'links: docs/wrong.md links to ../none.md, but there is no file none.md',
      'links: docs/wrong.md links to guide.md#again-2, but docs/guide.md has no anchor #again-2',
      'links: docs/wrong.md links to none.svg, but there is no file docs/none.svg',
      'links: docs/wrong.md links to #none, but docs/wrong.md has no anchor #none',
      'links: build/docs/wrong.html links to none.html, but there is no file build/docs/none.html',
      'links: build/docs/wrong.html links to index.html#none, but build/docs/index.html has no anchor #none',
    ])
  })
})
