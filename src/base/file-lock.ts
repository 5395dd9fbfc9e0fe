import { randomUUID } from 'node:crypto'
import { linkSync, lstatSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

import { z } from 'zod'

import { clipped, SosError } from './errors.js'
import { isRunning, ownIdentity } from './process-identity.js'

const holderSchema = z.object({
  host: z.string(),
  pid: z.int().positive(),
  begun: z.string().nullable(),
  since: z.string(),
})

type Holder = z.infer<typeof holderSchema>

/** The locks of this process, which it removes when it exits. */
const held = new Set<FileLock>()

/**
 * Reserves a file or a folder for one writer. The lock is a file `PATH.lock` beside it that names the process that works there. A lock whose process
 * has ended is taken over. Links are followed, so that a file with two names has one lock.
 */
export class FileLock {
  readonly #path: string
  readonly #text: string

  /**
   * Takes the lock.
   *
   * @throws `ERR_LOCKED` when another process or this one holds it, `ERR_OUTPUT` when the lock's file cannot be written
   */
  constructor(path: string) {
    const holder: Holder = { ...ownIdentity(), since: new Date().toISOString() }
    this.#text = `${JSON.stringify({ ...holder, token: randomUUID() })}\n`
    try {
      this.#path = `${resolveLinks(path)}.lock`
      this.#acquire(path)
    } catch (cause) {
      if (cause instanceof SosError) throw cause
      throw new SosError('ERR_OUTPUT', `${path}: the file cannot be locked: ${(cause as Error).message}`, {
        cause,
      })
    }
    if (held.size === 0) process.on('exit', releaseAll)
    held.add(this)
  }

  /** Removes the lock. Does nothing if it was released before. */
  release(): void {
    if (!held.delete(this)) return
    if (held.size === 0) process.off('exit', releaseAll)
    if (textOf(this.#path) === this.#text) rmSync(this.#path, { force: true })
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #acquire(path: string): void {
    const taking = `${this.#path}.taking`
    for (let attempt = 0; attempt < 5; attempt++) {
      if (this.#make(this.#path)) return
      expectEnded(this.#path, path)
      // Several processes may find the lock of a process that has ended. Only one may remove it: another may have taken the lock meanwhile.
      if (this.#make(taking)) {
        try {
          expectEnded(this.#path, path)
          rmSync(this.#path, { force: true })
          if (this.#make(this.#path)) return
        } finally {
          rmSync(taking, { force: true })
        }
      } else {
        expectEnded(taking, path)
        rmSync(taking, { force: true })
      }
    }
    throw new SosError(
      'ERR_LOCKED',
      `${path}: other processes are taking the lock at the same moment; try again`,
    )
  }

  /** Creates the lock's file at `place`, complete from the first moment. Returns false if there is one. */
  #make(place: string): boolean {
    const own = join(dirname(place), `.${basename(place)}.${randomUUID()}`)
    writeFileSync(own, this.#text, { flag: 'wx' })
    try {
      linkSync(own, place)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(codeOf(error))) throw error
      return makeWithoutLinks(place, this.#text)
    } finally {
      rmSync(own, { force: true })
    }
  }
}

function makeWithoutLinks(place: string, text: string): boolean {
  try {
    writeFileSync(place, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Throws `ERR_LOCKED` unless the lock at `place` belongs to a process that has ended, or is gone. */
function expectEnded(place: string, path: string): void {
  const text = textOf(place)
  if (text === null) return
  const holder = holderOf(text)
  if (holder === null) {
    throw new SosError(
      'ERR_LOCKED',
      `${path}: its lock ${place} contains ${JSON.stringify(clipped(text))}, which names no process; remove the lock if no process works there`,
    )
  }
  const running = isRunning(holder)
  if (running === false) return
  const own = holder.pid === process.pid && running === true
  const who = own ? 'this process itself' : `process ${holder.pid} on ${holder.host.split(' ')[0]}`
  const what =
    running === null
      ? `whether it is still running cannot be found out from here; if it is not, remove ${place}`
      : own
        ? 'end that task first'
        : 'wait for that process, or end it'
  throw new SosError(
    'ERR_LOCKED',
    `${path}: ${who} has been working on it since ${clipped(holder.since)}; ${what}`,
  )
}

function holderOf(text: string): Holder | null {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function textOf(place: string): string | null {
  try {
    if (!lstatSync(place).isFile()) return ''
    return readFileSync(place, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** The path without links, of an existing file or of one that will be created. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return join(realpathSync(dirname(resolve(path))), basename(resolve(path)))
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

function releaseAll(): void {
  for (const lock of held) lock.release()
}
