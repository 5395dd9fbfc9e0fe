import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { root as repository } from '../../support/paths.js'
import { fakePython, makeBin, makeLibraries, makeLibTorch, write } from '../../support/scratch-checkout.js'
import { expectNothingToDo, finish, scratchSetup } from '../../support/scratch-setup.js'

const scratch = scratchSetup()

describe('the steps', { timeout: 60_000 }, () => {
  it('does everything once, and then nothing within a second', async () => {
    const first = await scratch.setup({ LIBTORCH: scratch.torch })
    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(first.stderr).toMatch(
      /^setup: npm ci … \d+\.\d s\nsetup: configure the addon for libtorch 2\.13\.0 \(cpu\) … .* s\nsetup: build the addon .* s\nsetup: generate .* s\nsetup: compile TypeScript … \d+\.\d s\n$/,
    )
    expect(scratch.calls()).toEqual(['cmake-js configure', 'cmake-js build', 'generate', 'tsc'])
    expect(scratch.state()).toMatchObject({
      torchRoot: scratch.torch,
      torchVersion: '2.13.0',
      variant: 'cpu',
      python: null,
    })
    expect(existsSync(scratch.state().addon)).toBe(true)
    expect(statSync(join(scratch.root, 'dist/cli/main.js')).mode & 0o111).toBe(0o111)

    await expectNothingToDo(() => scratch.setup({ LIBTORCH: scratch.torch }))
    expect(readdirSync(scratch.home)).toEqual([])
    expect(readdirSync(join(scratch.root, 'build')).sort()).toEqual([
      'cache',
      'native',
      'setup.json',
      'setup.log',
    ])
  })

  it('does again what a change makes stale, and no more', async () => {
    await scratch.setup({ LIBTORCH: scratch.torch })
    const callsAfter = async (change: () => void, environment = { LIBTORCH: scratch.torch }) => {
      rmSync(join(scratch.root, 'calls'))
      change()
      const { code, stderr } = await scratch.setup(environment)
      expect(code).toBe(0)
      return [...(stderr.includes('npm ci') ? ['npm ci'] : []), ...scratch.calls()]
    }
    write(join(scratch.root, 'dist/stale.js'), '')
    expect(
      await callsAfter(() => appendFileSync(join(scratch.root, 'src/cli/main.ts'), '// edited')),
    ).toEqual(['tsc'])
    expect(existsSync(join(scratch.root, 'dist/stale.js'))).toBe(false)
    const compiled = ['cmake-js build', 'generate', 'tsc']
    expect(await callsAfter(() => write(join(scratch.root, 'native/core/new.cpp'), '// new'))).toEqual(
      compiled,
    )
    expect(
      await callsAfter(() => rmSync(join(scratch.root, 'src/torch/operators/operators.generated.ts'))),
    ).toEqual(['generate', 'tsc'])
    expect(await callsAfter(() => appendFileSync(join(scratch.root, 'package-lock.json'), '\n'))).toEqual([
      'npm ci',
      'tsc',
    ])
    expect(await callsAfter(() => makeLibTorch(scratch.torch, '2.14.0'))).toEqual([
      'cmake-js configure',
      ...compiled,
    ])
    const other = join(scratch.root, 'other')
    makeLibTorch(other, '2.14.0')
    expect(await callsAfter(() => {}, { LIBTORCH: other })).toEqual(['cmake-js configure', ...compiled])
    expect(scratch.state().torchRoot).toBe(other)
    write(join(scratch.root, 'build/setup.json'), '{"torn')
    expect(await callsAfter(() => {}, { LIBTORCH: other })).toEqual([
      'npm ci',
      'cmake-js configure',
      ...compiled,
    ])
  })

  it('builds nothing again for another version of Node', async () => {
    await scratch.setup({ LIBTORCH: scratch.torch })
    const other = join(scratch.root, 'other-node.cjs')
    write(
      other,
      `Object.defineProperty(process, 'version', { value: 'v99.1.2' })
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '99.1.2', modules: '999' } })
`,
    )
    const options = `--require ${JSON.stringify(other)}`
    expect(await scratch.setup({ LIBTORCH: scratch.torch, NODE_OPTIONS: options })).toMatchObject({
      code: 0,
      stderr: '',
    })
  })

  it('configures again with libraries that have come, and compiles what uses them', async () => {
    await scratch.setup({ LIBTORCH: scratch.torch })
    const cache = join(scratch.root, 'build/native/CMakeCache.txt')
    appendFileSync(cache, `TURBOJPEG_INCLUDE:PATH=${join(scratch.libraries, 'include')}\n`)
    write(join(scratch.root, 'build/native/core.o'), '')
    rmSync(join(scratch.root, 'calls'))
    const other = join(scratch.root, 'prefix')
    makeLibraries(other)
    const environment = { LIBTORCH: scratch.torch, CMAKE_PREFIX_PATH: other }
    expect((await scratch.setup(environment)).code).toBe(0)
    expect(scratch.calls()).toEqual(['cmake-js configure', 'cmake-js build', 'generate', 'tsc'])
    expect(existsSync(join(scratch.root, 'build/native/core.o'))).toBe(true)
  })

  it('shows why a step failed, and the next run continues there', async () => {
    write(join(scratch.root, 'cmake-js-fails'), 'core/tensor.cpp:7:1: error: expected ;')
    const failed = await scratch.setup({ LIBTORCH: scratch.torch })
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('… failed after')
    expect(failed.stderr).toContain('core/tensor.cpp:7:1: error: expected ;')
    expect(failed.stderr).toContain(join(scratch.root, 'build/setup.log'))
    expect(failed.stderr).not.toContain('    at ')
    rmSync(join(scratch.root, 'cmake-js-fails'))
    rmSync(join(scratch.root, 'calls'))
    expect((await scratch.setup({ LIBTORCH: scratch.torch })).stderr).not.toContain('npm ci')
    expect(scratch.calls()).toEqual(['cmake-js build', 'generate', 'tsc'])
  })

  it('makes a .venv, and anew if pip was interrupted', async () => {
    makeBin(scratch.root, { 'python3.13': fakePython(scratch.torch, [3, 13, 0]) })
    const environment = { PATH: `${join(scratch.root, 'bin')}:${process.env.PATH}` }
    write(join(scratch.root, 'pip-fails'), '')
    const failed = await scratch.setup(environment)
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('ERROR: no network')
    write(join(scratch.root, '.venv/half-unpacked'), '')
    rmSync(join(scratch.root, 'pip-fails'))

    const healed = await scratch.setup(environment)
    expect(healed.stderr).toContain('.venv is unfinished or does not run; making it anew')
    expect(healed.code).toBe(0)
    expect(existsSync(join(scratch.root, '.venv/half-unpacked'))).toBe(false)
    const python = join(scratch.root, '.venv/bin/python')
    expect(scratch.state()).toMatchObject({
      python,
      torchRoot: join(scratch.root, '.venv/lib/python3.13/site-packages/torch'),
    })
    expect((await scratch.setup(environment)).stderr).toBe('')

    rmSync(join(scratch.root, 'calls'))
    write(join(scratch.root, 'requirements.txt'), 'torch==2.13.0\nnumpy\n')
    expect((await scratch.setup(environment)).code).toBe(0)
    expect(scratch.calls()).toEqual(['pip']) // into the same .venv; the addon is still good

    rmSync(python)
    symlinkSync(join(scratch.root, 'gone'), python)
    expect((await scratch.setup(environment)).stderr).toContain('making it anew')
  })

  it('takes the torch of the Python on PATH when asked', async () => {
    makeBin(scratch.root, {
      python3: `echo '{"python": "${join(scratch.root, 'bin/python3')}", "folder": "${scratch.torch}"}'`,
    })
    const environment = {
      PATH: `${join(scratch.root, 'bin')}:${process.env.PATH}`,
      LIBTORCH_USE_PYTORCH: '1',
    }
    expect((await scratch.setup(environment)).code).toBe(0)
    expect(scratch.state()).toMatchObject({
      python: join(scratch.root, 'bin/python3'),
      torchRoot: scratch.torch,
    })
    expect((await scratch.setup(environment)).stderr).toBe('')
  })
})

// `npm test` has just set this checkout up; elsewhere it may have to build something, which is not for a test to do.
describe.runIf(process.env.npm_lifecycle_event === 'test')('this checkout', () => {
  it('is found complete within a second', async () => {
    await expectNothingToDo(() => finish(spawn(process.execPath, ['scripts/setup.mjs'], { cwd: repository })))
  })
})
