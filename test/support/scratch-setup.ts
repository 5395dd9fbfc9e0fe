import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { beforeEach, expect, onTestFinished } from 'vitest'

import { makeCheckout, makeLibraries, makeLibTorch } from './scratch-checkout.js'

/** A script of scripts/setup. It is plain JavaScript without declarations. */
export const setupScript = (name: string) =>
  import(new URL(`../../scripts/setup/${name}.mjs`, import.meta.url).href)

/** A checkout of fakes in a folder of its own, in which setup runs. */
class ScratchSetup {
  root = ''
  home = ''
  /** A folder that looks like libtorch 2.13.0. */
  torch = ''
  /** A folder that has the libraries. */
  libraries = ''

  make(scratch: string): void {
    this.root = join(scratch, 'check out') // a space, as in many a home folder
    this.home = join(scratch, 'home')
    this.torch = join(scratch, 'libtorch')
    mkdirSync(this.home)
    this.libraries = join(scratch, 'libraries')
    makeLibTorch(this.torch, '2.13.0')
    makeLibraries(this.libraries)
    makeCheckout(this.root)
  }

  /** Starts setup, which ends with the test at the latest. */
  start(environment: Record<string, string>): ChildProcess {
    const system = { PATH: process.env.PATH, HOME: this.home, CMAKE_PREFIX_PATH: this.libraries }
    const env = { ...system, ...environment }
    const child = spawn(process.execPath, [join(this.root, 'scripts/setup.mjs')], { cwd: this.root, env })
    onTestFinished(() => void child.kill())
    return child
  }

  setup(environment: Record<string, string>) {
    return finish(this.start(environment))
  }

  /** The calls of the fakes, in their order. */
  calls(): string[] {
    const path = join(this.root, 'calls')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }

  state() {
    return JSON.parse(readFileSync(join(this.root, 'build/setup.json'), 'utf8'))
  }
}

/** Gives each test of the file a checkout of its own. */
export function scratchSetup(): ScratchSetup {
  const setup = new ScratchSetup()
  beforeEach(() => {
    const scratch = mkdtempSync(join(tmpdir(), 'sos-setup-'))
    setup.make(scratch)
    return () => rmSync(scratch, { recursive: true, force: true })
  })
  return setup
}

export async function finish(child: ChildProcess) {
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

/** Runs three times and takes the best time, since the machine may have other work. */
export async function expectNothingToDo(run: () => ReturnType<typeof finish>) {
  const runs = [await run(), await run(), await run()]
  for (const result of runs) expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' })
  expect(Math.min(...runs.map(({ seconds }) => seconds))).toBeLessThan(1)
}

/** Whether a process runs. One that has ended but that nobody has waited for (a zombie) does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) [ZX] /.test(process.platform === 'linux' ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '')
  } catch {
    return false
  }
}

export async function waitFor(condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited too long for ${condition}`)
    await sleep(20)
  }
}
