import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { library, makeBin, makeLibTorch, versionHeader, write } from '../../support/scratch-checkout.js'
import { scratchSetup, setupScript } from '../../support/scratch-setup.js'

const scratch = scratchSetup()

describe('libtorch', () => {
  it('reads the version from the newer and the older header layout', async () => {
    const { readVersion } = await setupScript('libtorch')
    expect(readVersion(scratch.torch)).toEqual([2, 13, 0])
    rmSync(join(scratch.torch, 'include/torch/headeronly'), { recursive: true })
    expect(readVersion(scratch.torch)).toBeUndefined()
    write(join(scratch.torch, 'include/torch/csrc/api/include/torch/version.h'), versionHeader('2.11.3'))
    expect(readVersion(scratch.torch)).toEqual([2, 11, 3])
  })

  it.each(['2.11.0', '2.14.9'])('takes %s', async (version) => {
    const { inspectLibTorch } = await setupScript('libtorch')
    makeLibTorch(scratch.torch, version)
    expect(inspectLibTorch(scratch.torch, 'here')).toEqual({
      torchRoot: scratch.torch,
      torchVersion: version,
      variant: 'cpu',
    })
    write(join(scratch.torch, 'lib/libtorch_cuda.so'), '')
    expect(inspectLibTorch(scratch.torch, 'here').variant).toBe('cuda')
  })

  it.each(['1.13.1', '2.10.2', '2.15.0', '3.12.0'])('refuses %s and says what to do', async (version) => {
    const { inspectLibTorch } = await setupScript('libtorch')
    makeLibTorch(scratch.torch, version)
    expect(() => inspectLibTorch(scratch.torch, 'LIBTORCH=x', 'Set LIBTORCH to DIR')).toThrow(
      new RegExp(
        `expected libtorch 2\\.11 to 2\\.14 at LIBTORCH=x, but .* is ${version}[^]*Set LIBTORCH to DIR`,
      ),
    )
  })

  it('refuses a LIBTORCH that points nowhere before it does anything', async () => {
    const result = await scratch.setup({ LIBTORCH: join(scratch.root, 'nowhere') })
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(/expected a libtorch at LIBTORCH=.*nowhere, .* does not exist/)
    expect(existsSync(join(scratch.root, 'node_modules'))).toBe(false)
  })

  it('names what a folder lacks and the right folder inside it', async () => {
    rmSync(join(scratch.torch, 'lib', library))
    expect((await scratch.setup({ LIBTORCH: scratch.torch })).stderr).toContain(`has no lib/${library}.`)
    makeLibTorch(join(scratch.root, 'unpacked/libtorch'), '2.13.0')
    const { stderr } = await scratch.setup({ LIBTORCH: join(scratch.root, 'unpacked') })
    expect(stderr).toContain(`There is one in ${join(scratch.root, 'unpacked/libtorch')}: did you mean that?`)
  })

  it('refuses LIBTORCH_USE_PYTORCH if no Python has torch', async () => {
    makeBin(scratch.root, { python3: 'exit 127' })
    const { code, stderr } = await scratch.setup({
      LIBTORCH_USE_PYTORCH: '1',
      PATH: join(scratch.root, 'bin'),
    })
    expect(code).toBe(1)
    expect(stderr).toContain(
      `python3: ${join(scratch.root, 'bin/python3')} does not run; python: not on PATH`,
    )
  })
})
