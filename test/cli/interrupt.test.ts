import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { ProgressLine } from '../../src/cli/shared/progress.js'
import { demoModel, fashionMnist, root, temporaryFolder } from '../support/paths.js'

const main = `${root}/dist/cli/main.js`
const train = `idx:${fashionMnist}:train`
const folder = temporaryFolder()

describe('a Ctrl-C', () => {
  it.each([
    ['eval', [demoModel, demoModel, '--data', train, '--chunk', '1']],
    ['shift', [demoModel, '--data', train, '--batch-size', 'all', '--out', join(folder, 'x.pt')]],
    [
      'study',
      [demoModel, '--train', train, '--val', train, '--batch-sizes', '1000', '--report', join(folder, 'r')],
    ],
    ['sharpness', [demoModel, '--data', train, '--probes', '100000']],
    ['landscape', [demoModel, '--data', train, '--grid', '101']],
    ['demo', ['--out', join(folder, 'demo')]],
  ])('ends sos %s with one line and 130, and leaves nothing', async (command, args) => {
    const child = spawn(process.execPath, [main, command, ...args])
    const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    await sleep(2500)
    child.kill('SIGINT')
    const [stdout, stderr, [code, signal]] = await output
    const told = stderr.replace(/^.*\d+\/\d+, .*\n/gm, '')
    expect({ code, signal, stdout, told }).toEqual({
      code: 130,
      signal: null,
      stdout: '',
      told: 'sos: interrupted\n',
    })
    expect(readdirSync(folder).filter((name) => name.startsWith('.') || name.endsWith('.pt'))).toEqual([])
  })

  it('ends sos data fetch while npm downloads', async () => {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    // An npm that downloads for ever, and dies of the signal by itself, as in a terminal.
    writeFileSync(join(bin, 'npm'), '#!/bin/sh\nexec sleep 600\n')
    chmodSync(join(bin, 'npm'), 0o755)
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
    const to = join(folder, 'cifar')
    const child = spawn(process.execPath, [main, 'data', 'fetch', 'cifar10', '--to', to], {
      env,
      detached: true,
    })
    const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    await sleep(2500)
    process.kill(-child.pid!, 'SIGINT')
    const [stdout, stderr, [code]] = await output
    expect({ code, stdout, stderr }).toEqual({
      code: 130,
      stdout: '',
      stderr: `sos: interrupted; the same command continues: sos data fetch cifar10 --to ${to}\n`,
    })
    expect(readdirSync(to)).toEqual([])
  })
})

/** What a shell's pipeline prints on stderr, and the exit codes of its parts. */
function pipeline(script: string, ...args: string[]): Promise<{ codes: string; stderr: string }> {
  const all = ['-c', `${script}; echo "\${PIPESTATUS[*]}"`, process.execPath, main, ...args]
  return new Promise((resolve) => {
    execFile('bash', all, { maxBuffer: 2 ** 26 }, (_, stdout, stderr) => {
      resolve({ codes: stdout.trim().split('\n').at(-1)!, stderr })
    })
  })
}

describe('a reader that leaves', () => {
  const left = join(folder, 'left')
  it.each([
    ['--help'],
    ['eval', '--help'],
    ['doctor'],
    ['inspect', demoModel, '--json'],
    ['eval', demoModel, '--data', train, '--limit', '20', '--per-class'],
    [
      'shift',
      demoModel,
      '--data',
      train,
      '--batch-size',
      '20',
      '--held-out',
      '5',
      '--out',
      join(folder, 'y.pt'),
    ],
    ['sharpness', demoModel, '--data', train, '--samples', '10', '--probes', '2'],
    [
      'study',
      demoModel,
      '--train',
      train,
      '--val',
      train,
      '--limit-val',
      '20',
      '--batch-sizes',
      '10',
      '--report',
      left,
    ],
  ])('is no error: sos %s', async (...args) => {
    const { codes, stderr } = await pipeline('"$0" "$@" | true', ...args)
    expect({ codes, stderr }).toEqual({ codes: '0 0', stderr: '' })
    const both = await pipeline('"$0" "$@" 2>&1 | true', ...args)
    expect(both).toEqual({ codes: '0 0', stderr: '' })
    if (args[0] === 'study') expect(readdirSync(left).sort()).toEqual(['index.html', 'study.json'])
  })

  it.skipIf(process.platform !== 'linux')('is another thing than output that cannot be written', async () => {
    const { codes, stderr } = await pipeline('"$0" "$@" > /dev/full', 'inspect', demoModel)
    expect(codes).toBe('1')
    expect(stderr).toBe('sos: cannot write output: ENOSPC: no space left on device, write\n')
  })
})

describe('progress', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each([
    [{ done: 0, total: 139 }, 'download: 0/139, 0.0/s'],
    [{ done: 5, total: 139, resumed: 5 }, 'download: 5/139, 0.0/s'],
  ])('reports no time that is left if nothing comes: %j', (progress, expected) => {
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((part) => {
      written.push(String(part))
      return true
    })
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    const line = new ProgressLine('download')
    now.mockReturnValue(60_000)
    line.update(progress)
    expect(written.join('').replace('\r\x1b[2K', '').trim()).toBe(expected)
  })
})
