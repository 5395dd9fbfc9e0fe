import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import {
  fakePython,
  library,
  makeBin,
  makeCheckout,
  makeLibTorch,
  versionHeader,
  write,
} from '../support/scratch-checkout.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Plain JavaScript without declarations. */
const load = (name: string) => import(new URL(`../../scripts/setup/${name}.mjs`, import.meta.url).href)

let root: string
let home: string
let torch: string

beforeEach(() => {
  const scratch = mkdtempSync(join(tmpdir(), 'sos-setup-'))
  root = join(scratch, 'check out') // a space, as in many a home folder
  home = join(scratch, 'home')
  torch = join(scratch, 'libtorch')
  mkdirSync(home)
  makeLibTorch(torch, '2.13.0')
  makeCheckout(root)
  return () => rmSync(scratch, { recursive: true, force: true })
})

describe('libtorch', () => {
  it('reads the version from the newer and the older header layout', async () => {
    const { readVersion } = await load('libtorch')
    expect(readVersion(torch)).toEqual([2, 13, 0])
    rmSync(join(torch, 'include/torch/headeronly'), { recursive: true })
    expect(readVersion(torch)).toBeUndefined()
    write(join(torch, 'include/torch/csrc/api/include/torch/version.h'), versionHeader('2.11.3'))
    expect(readVersion(torch)).toEqual([2, 11, 3])
  })

  it.each(['2.11.0', '2.14.9'])('takes %s', async (version) => {
    const { inspectLibTorch } = await load('libtorch')
    makeLibTorch(torch, version)
    expect(inspectLibTorch(torch, 'here')).toEqual({
      torchRoot: torch,
      torchVersion: version,
      variant: 'cpu',
    })
    write(join(torch, 'lib/libtorch_cuda.so'), '')
    expect(inspectLibTorch(torch, 'here').variant).toBe('cuda')
  })

  it.each(['1.13.1', '2.10.2', '2.15.0', '3.12.0'])('refuses %s and says what to do', async (version) => {
    const { inspectLibTorch } = await load('libtorch')
    makeLibTorch(torch, version)
    expect(() => inspectLibTorch(torch, 'LIBTORCH=x')).toThrow(
      new RegExp(`expected libtorch 2\\.11 to 2\\.14 at LIBTORCH=x, but .* is ${version}[^]*Set LIBTORCH to`),
    )
  })

  it('refuses a LIBTORCH that points nowhere before it does anything', async () => {
    const result = await setup({ LIBTORCH: join(root, 'nowhere') })
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(/expected a libtorch at LIBTORCH=.*nowhere, .* does not exist/)
    expect(existsSync(join(root, 'node_modules'))).toBe(false)
  })

  it('names what a folder lacks and the right folder inside it', async () => {
    rmSync(join(torch, 'lib', library))
    expect((await setup({ LIBTORCH: torch })).stderr).toContain(`has no lib/${library}.`)
    makeLibTorch(join(root, 'unpacked/libtorch'), '2.13.0')
    const { stderr } = await setup({ LIBTORCH: join(root, 'unpacked') })
    expect(stderr).toContain(`There is one in ${join(root, 'unpacked/libtorch')}: did you mean that?`)
  })

  it('refuses LIBTORCH_USE_PYTORCH where no Python has torch', async () => {
    makeBin(root, { python3: 'exit 127' })
    const { code, stderr } = await setup({ LIBTORCH_USE_PYTORCH: '1', PATH: join(root, 'bin') })
    expect(code).toBe(1)
    expect(stderr).toContain(`python3: ${join(root, 'bin/python3')} does not run; python: not on PATH`)
  })
})

describe('tools', () => {
  it('names all that is missing at once, each with its remedy', async () => {
    makeBin(root, {
      'python3.12': 'exit 127',
      python3: fakePython(torch, [3, 9, 2]),
      cmake: 'echo cmake version 3.18.4',
    })
    const { code, stderr } = await setup({ PATH: join(root, 'bin') })
    expect(code).toBe(1)
    expect(stderr).toContain('Python 3.10 to 3.13 with venv')
    expect(stderr).toContain(`${join(root, 'bin/python3.12')} does not run`)
    expect(stderr).toContain(`${join(root, 'bin/python3')} is 3.9.2`)
    expect(stderr).toContain(`CMake 3.20 or newer\n    found: ${join(root, 'bin/cmake')}, 3.18.4`)
    expect(stderr).toContain('a C++20 compiler')
    expect(stderr).toContain('Ninja or Make')
    expect(stderr).toContain('  npm\n    found: no npm on PATH')
    if (process.platform === 'linux') {
      for (const name of ['python3 python3-venv', 'cmake', 'g++', 'ninja-build', 'npm']) {
        expect(stderr).toContain(`    Debian/Ubuntu: apt-get install ${name}\n`)
      }
    }
    expect(existsSync(join(root, 'node_modules'))).toBe(false)
  })

  it('names the venv package of a Python that has none, and a compiler that is too old', async () => {
    makeBin(root, { 'python3.11': fakePython(torch, [3, 11, 2], false), 'c++': 'exit 1' })
    const { stderr } = await setup({ PATH: join(root, 'bin') })
    expect(stderr).toContain('apt-get install python3.11-venv')
    expect(stderr).toContain(`${join(root, 'bin/c++')} does not compile C++20`)
  })

  it('refuses a Node that is too old', async () => {
    const { lackOfNode } = await load('toolchain')
    expect(lackOfNode(root, '20.16.0').what).toBe('Node 20.17 or newer')
    expect(lackOfNode(root, '20.17.0')).toBeUndefined()
    expect(lackOfNode(root, '22.1.0')).toBeUndefined()
  })

  it('runs no more compilers than the memory has room for', async () => {
    const { compilerJobs } = await load('addon')
    expect(compilerJobs(24 * 2 ** 30, 2)).toBe(2)
    expect(compilerJobs(4 * 2 ** 30, 16)).toBe(2)
    expect(compilerJobs(2 ** 29, 16)).toBe(1)
  })

  it('shows the first error of a long output', async () => {
    const { relevantLines } = await load('command')
    const noise = Array.from({ length: 100 }, (_, index) => `compiling core/error.h ${index}`)
    expect(relevantLines([...noise, 'a.cpp:1:2: error: no', ...noise].join('\n'))).toMatch(
      /^.* 99\na.cpp:1:2: error: no\n/,
    )
    expect(relevantLines(noise.join('\n'), 2)).toBe('compiling core/error.h 98\ncompiling core/error.h 99')
  })
})

describe('the steps', { timeout: 60_000 }, () => {
  it('does everything once, and then nothing within a second', async () => {
    const first = await setup({ LIBTORCH: torch })
    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(first.stderr).toMatch(
      /^setup: npm ci … \d+\.\d s\nsetup: configure the addon for libtorch 2\.13\.0 \(cpu\) … .* s\nsetup: build the addon .* s\nsetup: generate .* s\nsetup: compile TypeScript … \d+\.\d s\n$/,
    )
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build', 'generate', 'tsc'])
    expect(readState()).toMatchObject({
      torchRoot: torch,
      torchVersion: '2.13.0',
      variant: 'cpu',
      python: null,
    })
    expect(existsSync(readState().addon)).toBe(true)
    expect(statSync(join(root, 'dist/cli/main.js')).mode & 0o111).toBe(0o111)

    await expectNothingToDo(() => setup({ LIBTORCH: torch }))
    expect(readdirSync(home)).toEqual([])
    expect(readdirSync(join(root, 'build')).sort()).toEqual(['cache', 'native', 'setup.json', 'setup.log'])
  })

  it('does again what a change makes stale, and no more', async () => {
    await setup({ LIBTORCH: torch })
    const callsAfter = async (change: () => void, environment = { LIBTORCH: torch }) => {
      rmSync(join(root, 'calls'))
      change()
      const { code, stderr } = await setup(environment)
      expect(code).toBe(0)
      return [...(stderr.includes('npm ci') ? ['npm ci'] : []), ...calls()]
    }
    write(join(root, 'dist/stale.js'), '')
    expect(await callsAfter(() => appendFileSync(join(root, 'src/cli/main.ts'), '// edited'))).toEqual([
      'tsc',
    ])
    expect(existsSync(join(root, 'dist/stale.js'))).toBe(false)
    const compiled = ['cmake-js build', 'generate', 'tsc']
    expect(await callsAfter(() => write(join(root, 'native/core/new.cpp'), '// new'))).toEqual(compiled)
    expect(await callsAfter(() => rmSync(join(root, 'src/torch/operators/operators.generated.ts')))).toEqual([
      'generate',
      'tsc',
    ])
    expect(await callsAfter(() => appendFileSync(join(root, 'package-lock.json'), '\n'))).toEqual([
      'npm ci',
      'tsc',
    ])
    expect(await callsAfter(() => makeLibTorch(torch, '2.14.0'))).toEqual(['cmake-js configure', ...compiled])
    const other = join(root, 'other')
    makeLibTorch(other, '2.14.0')
    expect(await callsAfter(() => {}, { LIBTORCH: other })).toEqual(['cmake-js configure', ...compiled])
    expect(readState().torchRoot).toBe(other)
    write(join(root, 'build/setup.json'), '{"torn')
    expect(await callsAfter(() => {}, { LIBTORCH: other })).toEqual([
      'npm ci',
      'cmake-js configure',
      ...compiled,
    ])
  })

  it('shows why a step failed, and the next run continues there', async () => {
    write(join(root, 'cmake-js-fails'), 'core/tensor.cpp:7:1: error: expected ;')
    const failed = await setup({ LIBTORCH: torch })
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('… failed after')
    expect(failed.stderr).toContain('core/tensor.cpp:7:1: error: expected ;')
    expect(failed.stderr).toContain(join(root, 'build/setup.log'))
    expect(failed.stderr).not.toContain('    at ')
    rmSync(join(root, 'cmake-js-fails'))
    rmSync(join(root, 'calls'))
    expect((await setup({ LIBTORCH: torch })).stderr).not.toContain('npm ci')
    expect(calls()).toEqual(['cmake-js build', 'generate', 'tsc'])
  })

  it('makes a .venv, and anew where pip was interrupted', async () => {
    makeBin(root, { 'python3.13': fakePython(torch, [3, 13, 0]) })
    const environment = { PATH: `${join(root, 'bin')}:${process.env.PATH}` }
    write(join(root, 'pip-fails'), '')
    const failed = await setup(environment)
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('ERROR: no network')
    write(join(root, '.venv/half-unpacked'), '')
    rmSync(join(root, 'pip-fails'))

    const healed = await setup(environment)
    expect(healed.stderr).toContain('.venv is unfinished or does not run; making it anew')
    expect(healed.code).toBe(0)
    expect(existsSync(join(root, '.venv/half-unpacked'))).toBe(false)
    const python = join(root, '.venv/bin/python')
    expect(readState()).toMatchObject({
      python,
      torchRoot: join(root, '.venv/lib/python3.13/site-packages/torch'),
    })
    expect((await setup(environment)).stderr).toBe('')

    rmSync(join(root, 'calls'))
    write(join(root, 'requirements.txt'), 'torch==2.13.0\nnumpy\n')
    expect((await setup(environment)).code).toBe(0)
    expect(calls()).toEqual(['pip']) // into the same .venv; the addon is still good

    rmSync(python)
    symlinkSync(join(root, 'gone'), python)
    expect((await setup(environment)).stderr).toContain('making it anew')
  })

  it('takes the torch of the Python on PATH when asked', async () => {
    makeBin(root, { python3: `echo '{"python": "${join(root, 'bin/python3')}", "folder": "${torch}"}'` })
    const environment = { PATH: `${join(root, 'bin')}:${process.env.PATH}`, LIBTORCH_USE_PYTORCH: '1' }
    expect((await setup(environment)).code).toBe(0)
    expect(readState()).toMatchObject({ python: join(root, 'bin/python3'), torchRoot: torch })
    expect((await setup(environment)).stderr).toBe('')
  })
})

describe('the lock', { timeout: 60_000 }, () => {
  const lock = () => join(root, 'build/setup.lock')

  it('lets a second run wait, and then find all done', async () => {
    write(join(root, 'cmake-js-sleeps'), '1')
    const first = setup({ LIBTORCH: torch })
    await waitFor(() => existsSync(lock()))
    const [one, two] = await Promise.all([first, setup({ LIBTORCH: torch })])
    expect([one.code, two.code]).toEqual([0, 0])
    expect(two.stderr).toMatch(/^setup: another setup is at work \(process \d+\); waiting for it\..*\n$/)
    expect(calls()).toEqual(['cmake-js configure', 'cmake-js build', 'generate', 'tsc'])
    expect(existsSync(lock())).toBe(false)
  })

  it('takes the lock of a dead process, and of one whose pid lives on in another', async () => {
    write(lock(), '2147483646 1\n')
    expect(await setup({ LIBTORCH: torch })).toMatchObject({ code: 0 })
    if (process.platform !== 'linux') return
    write(lock(), `${process.pid} 1\n`)
    rmSync(join(root, 'build/setup.json'))
    expect(await setup({ LIBTORCH: torch })).toMatchObject({ code: 0 })
  })

  it('leaves no lock and no command behind when it is ended', async () => {
    write(join(root, 'cmake-js-sleeps'), '60')
    const child = start({ LIBTORCH: torch })
    await waitFor(() => existsSync(join(root, 'cmake-js-pid')))
    child.kill('SIGTERM')
    expect((await once(child, 'close'))[0]).toBe(143)
    expect(existsSync(lock())).toBe(false)
    const pid = Number(readFileSync(join(root, 'cmake-js-pid'), 'utf8'))
    await waitFor(() => !isRunning(pid))
  })
})

// `npm test` has just set this checkout up; elsewhere it may have to build something, which is not for a test to do.
describe.runIf(process.env.npm_lifecycle_event === 'test')('this checkout', () => {
  it('is found complete within a second', async () => {
    await expectNothingToDo(() => finish(spawn(process.execPath, ['scripts/setup.mjs'], { cwd: repository })))
  })
})

function start(environment: Record<string, string>) {
  const env = { PATH: process.env.PATH, HOME: home, ...environment }
  const child = spawn(process.execPath, [join(root, 'scripts/setup.mjs')], { cwd: root, env })
  onTestFinished(() => void child.kill())
  return child
}

function setup(environment: Record<string, string>) {
  return finish(start(environment))
}

async function finish(child: ChildProcess) {
  const begin = performance.now()
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  child.stderr?.on('data', (text) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr, seconds: (performance.now() - begin) / 1000 }
}

/** The best time of three: the machine may have other work. */
async function expectNothingToDo(run: () => ReturnType<typeof finish>) {
  const runs = [await run(), await run(), await run()]
  for (const result of runs) expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' })
  expect(Math.min(...runs.map(({ seconds }) => seconds))).toBeLessThan(1)
}

/** What the fakes were called for, in order. */
function calls(): string[] {
  const path = join(root, 'calls')
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
}

function readState() {
  return JSON.parse(readFileSync(join(root, 'build/setup.json'), 'utf8'))
}

/** A process that ended but that nobody has waited for (a zombie) runs no more. */
function isRunning(pid: number) {
  try {
    process.kill(pid, 0)
    return !/\) [ZX] /.test(process.platform === 'linux' ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '')
  } catch {
    return false
  }
}

async function waitFor(condition: () => boolean) {
  const end = performance.now() + 20_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited too long for ${condition}`)
    await sleep(20)
  }
}
