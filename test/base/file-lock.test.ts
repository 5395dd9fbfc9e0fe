import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { FileLock } from '../../src/base/file-lock.js'
import { ownIdentity } from '../../src/base/process-identity.js'
import { root, temporaryFolder } from '../support/paths.js'

const locked = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_LOCKED', message: expect.stringMatching(message) })

/** A process that tries to take the lock, and what it said. */
async function other(path: string, ...args: string[]) {
  const child = spawn(process.execPath, [`${root}/test/fixtures/lock.mjs`, path, ...args])
  const [said] = await once(child.stdout.setEncoding('utf8'), 'data')
  return { child, said: String(said).trim() }
}

const write = (path: string, change: object) =>
  writeFileSync(
    `${path}.lock`,
    JSON.stringify({ ...ownIdentity(), since: '2026-01-02T03:04:05.000Z', ...change }),
  )

describe('a lock', () => {
  it('is held by one process, told by name and time, and free when that releases it', async () => {
    const path = join(temporaryFolder(), 'record.jsonl')
    const { child, said } = await other(path, '1500')
    expect(said).toBe('held')
    expect(() => new FileLock(path)).toThrow(
      locked(
        new RegExp(
          `process ${child.pid} on \\S+ has been working on it since 20\\d\\d-.*; wait for that process, or end it`,
        ),
      ),
    )
    await once(child, 'close')
    expect(existsSync(`${path}.lock`)).toBe(false)
    new FileLock(path).release()
  })

  it('of a killed process is taken over', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'record.jsonl')
    const { child } = await other(path)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(existsSync(`${path}.lock`)).toBe(true)
    const lock = new FileLock(path)
    expect(JSON.parse(readFileSync(`${path}.lock`, 'utf8')).pid).toBe(process.pid)
    lock.release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('that a killed process left goes to one of twelve that want it at once', async () => {
    for (let round = 0; round < 3; round++) {
      const path = join(temporaryFolder(), 'record.jsonl')
      write(path, { begun: 'before the last boot' })
      const all = await Promise.all(Array.from({ length: 12 }, () => other(path, '4000')))
      const said = all.map(({ said }) => said)
      expect(
        said.filter((word) => word === 'held'),
        String(said),
      ).toHaveLength(1)
      expect(said.filter((word) => word === 'ERR_LOCKED')).toHaveLength(11)
      for (const { child } of all) child.kill('SIGKILL')
    }
  }, 60_000)

  it('of a process whose number another has now is taken over', () => {
    const path = join(temporaryFolder(), 'x')
    write(path, { pid: process.ppid, begun: `${ownIdentity().begun}0` })
    new FileLock(path).release()
    write(path, { pid: 2 ** 22 + 1, begun: null }) // beyond what Linux gives
    new FileLock(path).release()
  })

  it('of another machine, or another container, stays, and the error says what to do', () => {
    const path = join(temporaryFolder(), 'x')
    write(path, { host: 'elsewhere pid:[1]', pid: 2 ** 22 + 1 })
    expect(() => new FileLock(path)).toThrow(
      locked(/on elsewhere has been working .* cannot be found out from here; .*remove \S+x\.lock/),
    )
    expect(existsSync(`${path}.lock`)).toBe(true)
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"host":3}',
    '{"host":"a","pid":-1,"begun":null,"since":""}',
    'x'.repeat(1e6),
  ])('that names no process stays, and the error says so', (text) => {
    const path = join(temporaryFolder(), 'x')
    writeFileSync(`${path}.lock`, text)
    expect(() => new FileLock(path)).toThrow(locked(/names no process; remove the lock/))
    try {
      new FileLock(path)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(600)
    }
  })

  it('is one whatever the name: relative, through links to the file or to its folder', () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'real'))
    const path = join(folder, 'real', 'record')
    writeFileSync(path, '')
    symlinkSync(path, join(folder, 'link'))
    symlinkSync(join(folder, 'real'), join(folder, 'folder'))
    using _lock = new FileLock(path)
    for (const name of [
      join(folder, 'link'),
      join(folder, 'folder', 'record'),
      join(folder, 'real/../real/./record'),
    ]) {
      expect(() => new FileLock(name), name).toThrow(locked(/this process itself/))
    }
  })

  it('cannot be made if there is no folder', () => {
    expect(() => new FileLock(join(temporaryFolder(), 'no', 'x'))).toThrow(
      expect.objectContaining({ code: 'ERR_OUTPUT', message: expect.stringContaining('cannot be locked') }),
    )
  })

  it('of a process that was not waited for yet counts as ended', async () => {
    const path = join(temporaryFolder(), 'x')
    // The shell starts the holder and does not wait for it: killed, it is a zombie for as long as the shell sleeps.
    const holder = `${process.execPath} ${root}/test/fixtures/lock.mjs ${path} & echo $!; exec sleep 30`
    const shell = spawn('sh', ['-c', holder])
    const [pid] = await once(shell.stdout.setEncoding('utf8'), 'data')
    while (!existsSync(`${path}.lock`)) await sleep(20)
    process.kill(Number.parseInt(pid, 10), 'SIGKILL')
    await sleep(200)
    new FileLock(path).release()
    shell.kill('SIGKILL')
  })
})

// Hard links are found in a second way: whoever appends checks the size that it left.
it('a hard link has a lock of its own', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'a'), '')
  linkSync(join(folder, 'a'), join(folder, 'b'))
  using _a = new FileLock(join(folder, 'a'))
  using _b = new FileLock(join(folder, 'b'))
  expect(readdirSync(folder).sort()).toEqual(['a', 'a.lock', 'b', 'b.lock'])
})
