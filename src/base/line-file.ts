import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'

import { SosError } from './errors.js'
import { FileLock } from './file-lock.js'

/** A file that lines are appended to, one at a time and whole, by one process: it is locked until it is closed. */
export class LineFile {
  readonly path: string
  /** What it held when it was opened. */
  readonly text: string
  readonly #file: number
  readonly #lock: FileLock
  #size: number
  #closed = false

  /**
   * @param how to `create` it, also where there is an empty file, which is no record; or to `continue` it, where it may be missing
   * @throws `ERR_LOCKED` where another works on it; `ERR_OUTPUT` where it cannot be written, or is there and is to be created
   */
  constructor(path: string, how: 'create' | 'continue') {
    this.path = path
    this.#lock = new FileLock(path)
    try {
      this.#file = openSync(path, how === 'create' && !isEmpty(path) ? 'ax+' : 'a+')
      try {
        if (!fstatSync(this.#file).isFile()) throw new Error('it is no ordinary file')
        this.text = readFileSync(this.#file, 'utf8')
        this.#size = fstatSync(this.#file).size
      } catch (error) {
        closeSync(this.#file)
        throw error
      }
    } catch (cause) {
      this.#lock.release()
      const { code, message } = cause as NodeJS.ErrnoException
      const reason = code === 'EEXIST' ? 'there is one already; resume it, or remove it' : message
      throw new SosError('ERR_OUTPUT', `${path}: expected to ${how} a record but ${reason}`, { cause })
    }
  }

  /** Keeps the first `size` bytes. */
  truncate(size: number): void {
    ftruncateSync(this.#file, size)
    this.#size = size
  }

  /**
   * @param line with its end
   * @throws `ERR_OUTPUT` where it cannot be written, also where another writes to the file; nothing of it is left then
   */
  append(line: string): void {
    const bytes = Buffer.from(line)
    try {
      if (fstatSync(this.#file).size !== this.#size) throw new Error('another process writes to it')
      try {
        for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written)
      } catch (error) {
        ftruncateSync(this.#file, this.#size)
        throw error
      }
    } catch (cause) {
      throw new SosError('ERR_OUTPUT', `${this.path}: cannot be written: ${(cause as Error).message}`, {
        cause,
      })
    }
    this.#size += bytes.length
  }

  /** Once is enough. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#file)
    this.#lock.release()
  }
}

function isEmpty(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status?.isFile() === true && status.size === 0
}
