import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { makeBin, makeLibraries, makeLibTorch, write } from '../../support/scratch-checkout.js'
import { fakePython, makePackage } from '../../support/scratch-package.js'
import { finish, setupScript, waitFor } from '../../support/scratch-setup.js'

// The set-up of a package of fakes in a folder of the user's.

let scratch: string
let root: string
let home: string
let torch: string

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sos-install-'))
  root = join(scratch, 'a project/node_modules/optimum-shifting')
  home = join(scratch, 'the cache')
  torch = join(scratch, 'libtorch')
  makeLibTorch(torch, '2.13.0')
  makeLibraries(join(scratch, 'libraries'))
  makePackage(root)
  makeBin(scratch, { 'python3.13': fakePython(torch), python3: 'exit 1', python: 'exit 1' })
  return () => rmSync(scratch, { recursive: true, force: true })
})

interface Options {
  libtorch?: string
  usePytorch?: boolean
  cpu?: boolean
  cuda?: boolean
  compile?: boolean
  rebuild?: boolean
  /** The version of a prebuilt addon that is installed. */
  prebuilt?: string
}

/** A PATH with the fake Python and what its script uses, and nothing to compile with. */
function withoutCompiler(): string {
  const folder = join(scratch, 'tools')
  mkdirSync(folder)
  for (const name of ['sh', 'mkdir', 'cp', 'cat', 'dirname', 'chmod'])
    symlinkSync(which(name), join(folder, name))
  return `${join(scratch, 'bin')}:${folder}`
}

const which = (name: string) => execFileSync('which', [name]).toString().trim()

const installation = () => join(home, '1.0.0-scratch')

function start(options: Options = {}, environment: Record<string, string> = {}) {
  const { prebuilt, ...rest } = options
  const found = prebuilt && {
    name: '@optimum-shifting/scratch',
    version: prebuilt,
    fits: prebuilt === '1.0.0',
    path: '/scratch/sos_native.node',
  }
  const program = `
    const { setUp, SetupFailure } = await import(${JSON.stringify(join(root, 'scripts/setup/installation.mjs'))})
    const options = ${JSON.stringify({ root, home, installation: installation(), version: '1.0.0', ...rest })}
    const found = ${JSON.stringify(found ?? null)}
    await setUp({ ...options, findPrebuilt: () => found ?? undefined }).catch((error) => {
      if (!(error instanceof SetupFailure)) throw error
      console.error(error.message)
      process.exitCode = 1
    })`
  const env = {
    PATH: `${join(scratch, 'bin')}:${process.env.PATH}`,
    HOME: join(scratch, 'user'),
    CALLS: join(scratch, 'calls'),
    CMAKE_PREFIX_PATH: join(scratch, 'libraries'),
    SCRATCH_INSTALLATION: installation(),
    ...environment,
  }
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: scratch, env })
  onTestFinished(() => void child.kill())
  return child
}

const setUp = (options?: Options, environment?: Record<string, string>) => finish(start(options, environment))

const calls = () => {
  const path = join(scratch, 'calls')
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  rmSync(path, { force: true })
  return lines
}

const state = () => JSON.parse(readFileSync(join(installation(), 'setup.json'), 'utf8'))

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

describe('an installation', { timeout: 60_000 }, () => {
  it('installs PyTorch and the addon into the folder of the user, and writes nothing into the package', async () => {
    const before = filesIn(root)
    const { code, stderr } = await setUp()
    expect(stderr).toMatch(/ready: .*sos_native\.node/)
    expect(code).toBe(0)
    const [plan, install, ...build] = calls()
    expect(plan).toContain('--dry-run')
    expect(plan).toMatch(/ torch==2\.13\.0$/)
    expect(install).toMatch(/--no-deps torch==2\.13\.0 nvidia-cublas==13\.1$/) // and not sympy
    expect(build).toEqual(['cmake-js configure', 'cmake-js build'])
    expect(filesIn(root)).toEqual(before)

    const { torchRoot, torchVersion, addon } = state()
    expect(torchRoot).toBe(join(home, 'torch/2.13.0/lib/python3.13/site-packages/torch'))
    expect(torchVersion).toBe('2.13.0')
    expect(dirname(dirname(addon))).toBe(join(installation(), 'addons'))
    expect(filesIn(dirname(addon))).toEqual(['libturbojpeg.so.0', 'sos_native.node', 'stamp'])
    expect(readdirSync(installation()).sort()).toEqual(['addons', 'setup.json', 'setup.log'])
    expect(readdirSync(home).sort()).toEqual(['1.0.0-scratch', 'torch'])

    const again = await setUp()
    expect(again.code).toBe(0)
    expect(calls()).toEqual([])
  })

  it('says the size before it downloads', async () => {
    const { stderr } = await setUp()
    const size = stderr.indexOf(
      'PyTorch 2.13.0: a download of unknown size (with CUDA; --cpu takes the much smaller',
    )
    expect(size).toBeGreaterThan(0)
    expect(stderr.indexOf('install torch==2.13.0')).toBeGreaterThan(size)
  })

  it("takes the build for the CPU from PyTorch's own index, and refuses one that is for the CPU when CUDA was asked for", async () => {
    expect((await setUp({ cpu: true })).code).toBe(0)
    const [plan, install] = calls()
    expect(plan).toContain('--index-url https://download.pytorch.org/whl/cpu torch==2.13.0')
    expect(install).toContain('--index-url https://download.pytorch.org/whl/cpu torch==2.13.0')
    expect(state().torchRoot).toContain('/torch/2.13.0-cpu/')

    const cuda = await setUp({ cuda: true })
    expect(cuda.code).toBe(1)
    expect(cuda.stderr).toContain('expected a PyTorch 2.13.0 for CUDA, but pip found one for CPU')
    expect(state().torchRoot).toContain('/torch/2.13.0-cpu/') // the installation that works is still there
    expect((await setUp()).stderr).toContain('of the last set-up')
  })

  it('keeps an addon for each libtorch, and compiles none twice', async () => {
    const other = join(scratch, 'other')
    makeLibTorch(other, '2.14.0')
    expect((await setUp({ libtorch: torch })).code).toBe(0)
    const first = state().addon
    expect((await setUp({ libtorch: other })).code).toBe(0)
    expect(calls().filter((line) => line === 'cmake-js build')).toHaveLength(2)
    expect(state()).toMatchObject({ torchRoot: other, torchVersion: '2.14.0' })
    expect(state().addon).not.toBe(first)
    expect((await setUp({ libtorch: torch })).code).toBe(0)
    expect(calls()).toEqual([])
    expect(state().addon).toBe(first)
    expect((await setUp({ libtorch: join(scratch, 'nowhere') })).stderr).toMatch(
      /expected a libtorch at --libtorch .*nowhere, .* does not exist/,
    )
    expect(state().addon).toBe(first)
  })

  it('uses a PyTorch that is there, and says of one that is too old that it is not used', async () => {
    makeLibTorch(torch, '2.9.0')
    makeBin(scratch, { python3: `echo '{"python": "/usr/bin/python3", "folder": "${torch}"}'` })
    expect((await setUp()).stderr).toMatch(/the version of .* is 2\.9\.0\..*It is not used\./s)
    rmSync(home, { recursive: true })
    calls()
    makeLibTorch(torch, '2.12.1')
    const { code, stderr } = await setUp()
    expect(code).toBe(0)
    expect(stderr).toContain('libtorch 2.12.1 (cpu), the PyTorch of /usr/bin/python3')
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build'])
    expect((await setUp({ usePytorch: true })).code).toBe(0)
    makeBin(scratch, { python3: 'exit 1' })
    const none = await setUp({ usePytorch: true })
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('expected a python3 or python on PATH that has torch')
  })

  it('needs no compiler for a prebuilt addon', async () => {
    const PATH = join(scratch, 'bin')
    const without = await setUp({ libtorch: torch }, { PATH })
    expect(without.code).toBe(1)
    expect(without.stderr).toContain('a C++20 compiler')
    expect(without.stderr).toContain('run `npx optimum-shifting setup` again')
    const { code, stderr } = await setUp({ libtorch: torch, prebuilt: '1.0.0' }, { PATH })
    expect(stderr).toContain('the addon is prebuilt: @optimum-shifting/scratch 1.0.0')
    expect(code).toBe(0)
    expect(state().addon).toBeNull()
    expect(calls()).toEqual([])
    // One of another version does not fit.
    const other = await setUp({ libtorch: torch, prebuilt: '0.9.0' }, { PATH })
    expect(other.code).toBe(1)
    expect(other.stderr).toContain('@optimum-shifting/scratch 0.9.0 is not used: only version 1.0.0 fits')
  })

  it('asks for no compiler if PyTorch is still to be installed and a prebuilt addon fits it', async () => {
    const { code, stderr } = await setUp({ prebuilt: '1.0.0' }, { PATH: withoutCompiler() })
    expect(stderr).toContain('the addon is prebuilt')
    expect(code).toBe(0)
    expect(calls().map((line) => line.split(' ')[0])).toEqual(['plan', 'install'])
  })

  it('fetches CMake and Ninja if there are none, and a Python can', async () => {
    const PATH = withoutCompiler()
    symlinkSync(which('c++'), join(scratch, 'tools/c++'))
    symlinkSync(which('as'), join(scratch, 'tools/as'))
    symlinkSync(which('ld'), join(scratch, 'tools/ld'))
    const { code, stderr } = await setUp({ libtorch: torch }, { PATH })
    expect(stderr).toContain('install cmake and ninja')
    expect(code).toBe(0)
    const [install, ...build] = calls()
    expect(install).toMatch(/ cmake ninja$/)
    expect(build).toEqual(['cmake-js configure', 'cmake-js build'])
    expect((await setUp({ libtorch: torch }, { PATH })).code).toBe(0)
    expect(calls()).toEqual([])
  })

  it('compiles an addon if the prebuilt one cannot be loaded, or if asked', async () => {
    const { code, stderr } = await setUp({ libtorch: torch, prebuilt: '1.0.0' }, { UNLOADABLE: 'prebuilt' })
    expect(stderr).toContain(
      'the prebuilt addon cannot be loaded here, so one is compiled: GLIBC_2.99 not found',
    )
    expect(code).toBe(0)
    expect(state().addon).toMatch(/sos_native\.node$/)
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build'])
    expect((await setUp({ libtorch: torch, prebuilt: '1.0.0' })).code).toBe(0)
    expect(state().addon).toBeNull()
    expect((await setUp({ libtorch: torch, prebuilt: '1.0.0', compile: true })).code).toBe(0)
    expect(state().addon).toMatch(/sos_native\.node$/)
    calls()
    expect((await setUp({ libtorch: torch, compile: true, rebuild: true })).code).toBe(0)
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build'])
    const broken = await setUp({ libtorch: torch }, { UNLOADABLE: 'built' })
    expect(broken.code).toBe(1)
    expect(broken.stderr).toContain('cannot be loaded: GLIBC_2.99 not found')
  })

  it('installs PyTorch anew if pip was interrupted', async () => {
    const failed = await setUp({}, { PIP_FAILS: '1' })
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('ERROR: no network')
    write(join(home, 'torch/2.13.0/lib/python3.13/site-packages/torch/half-unpacked'), '')
    expect((await setUp()).code).toBe(0)
    expect(existsSync(join(state().torchRoot, 'half-unpacked'))).toBe(false)
  })

  it('builds once if two set-ups begin at the same time', async () => {
    const first = start({ libtorch: torch }, { BUILD_MS: '1500' })
    const firstEnd = finish(first)
    await waitFor(() => existsSync(join(scratch, 'calls')))
    const second = await setUp({ libtorch: torch })
    expect(second.stderr).toContain('another setup is at work')
    expect(second.code).toBe(0)
    expect((await firstEnd).code).toBe(0)
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build'])
  })

  it('deletes what it has installed and nothing else, and tells the sizes', async () => {
    await setUp()
    write(join(home, 'notes.txt'), 'mine')
    mkdirSync(join(home, 'models'))
    const { installations, removeInstallations } = await setupScript('remove')
    write(join(home, 'torch/2.13.0/large'), 'x'.repeat(5_000_000))
    const found = installations(home) as { path: string; bytes: number }[]
    expect(found.map(({ path }) => path)).toEqual([join(home, 'torch')]) // 1.0.0-scratch is no platform's name
    expect(found[0]!.bytes).toBeGreaterThan(5_000_000)
    write(join(home, '0.1.0-linux-x64/setup.json'), '{}')
    expect((await removeInstallations(home)) as unknown[]).toHaveLength(2)
    expect(readdirSync(home).sort()).toEqual(['1.0.0-scratch', 'models', 'notes.txt'])
    expect(await removeInstallations(join(home, 'nowhere'))).toEqual([])
  })

  it('says that its folder cannot be written', async () => {
    write(home, 'a file')
    const { code, stderr } = await setUp()
    expect(code).toBe(1)
    expect(stderr).toMatch(/expected a folder that can be written, but .* cannot: .*Set SOS_HOME/)
  })
})
