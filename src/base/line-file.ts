import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'

import { SosError } from './errors.js'
import { FileLock } from './file-lock.js'

/** A file to which one process appends complete lines, one at a time. It is locked until it is closed. */
export class LineFile {
  readonly path: string
  /** What the file contained when it was opened. */
  readonly text: string
  readonly #file: number
  readonly #lock: FileLock
  #size: number
  #closed = false

  /**
   * Opens a file.
   *
   * @param how `create` for a new file, in place of which there may be an empty one; `continue` for an existing file, which may be missing
   * @throws `ERR_LOCKED` when another process works on it; `ERR_OUTPUT` when it cannot be written, or when it should be created and exists
   */
  constructor(path: string, how: 'create' | 'continue') {
    this.path = path
    this.#lock = new FileLock(path)
    try {
      this.#file = openSync(path, how === 'create' && !isEmpty(path) ? 'ax+' : 'a+')
      try {
        if (!fstatSync(this.#file).isFile()) throw new Error('it is not an ordinary file')
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
      throw new SosError('ERR_OUTPUT', `${path}: expected to ${how} a record in this file but ${reason}`, {
        cause,
      })
    }
  }

  /** Removes all but the first `size` bytes. */
  truncate(size: number): void {
    ftruncateSync(this.#file, size)
    this.#size = size
  }

  /**
   * Appends a line.
   *
   * @param line the line with its end
   * @throws `ERR_OUTPUT` when it cannot be written, or when another process has written to the file; no part of the line is left then
   */
  append(line: string): void {
    const bytes = Buffer.from(line)
    try {
      if (fstatSync(this.#file).size !== this.#size) throw new Error('another process has written to it')
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

  /** Closes the file and releases its lock. Does nothing if it was closed before. */
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
