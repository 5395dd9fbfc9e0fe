import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { refuseArgument, SosError } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'

/** The source of a file format: a file that is read in parts, or bytes in memory. */
export class ByteSource {
  /** The path as it was given, or `<buffer>`; for messages. */
  readonly name: string
  /** The size in bytes. */
  readonly size: number
  readonly #from: string | Uint8Array

  private constructor(name: string, size: number, from: string | Uint8Array) {
    this.name = name
    this.size = size
    this.#from = from
  }

  /** A source of bytes in memory. They are copied, since the caller may write to them later. */
  static over(source: Uint8Array): ByteSource {
    if (!(source instanceof Uint8Array)) refuseArgument('a path or a Uint8Array', 'source', source)
    const bytes = new Uint8Array(source) // Buffer.prototype.slice() would not copy
    return new ByteSource('<buffer>', bytes.length, bytes)
  }

  /**
   * A source for a file, or for bytes in memory.
   *
   * @throws `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
   */
  static async open(source: string | Uint8Array): Promise<ByteSource> {
    if (typeof source !== 'string') return ByteSource.over(source)
    const path = resolve(source)
    const status = await stat(path).catch((cause) => {
      throw unreadable(source, cause)
    })
    if (!status.isFile())
      throw new SosError(
        'ERR_FILE_UNREADABLE',
        `${source}: expected a file but this is something else, such as a folder`,
      )
    return new ByteSource(source, status.size, path)
  }

  /** Reads up to `length` bytes from `offset` on, fewer at the end of the file. For the small parts of a format. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (typeof this.#from !== 'string') return this.#from.subarray(offset, offset + length)
    const buffer = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)))
    try {
      await using file = await open(this.#from)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      return buffer.subarray(0, bytesRead)
    } catch (cause) {
      throw unreadable(this.name, cause)
    }
  }

  /** Reads `length` bytes from `offset` on, off the event loop, into a uint8 tensor with its own memory. */
  async readTensor(offset: number, length: number): Promise<TensorHandle> {
    const from = this.#from
    if (typeof from === 'string') return onLane(() => binding.readFileBytes(from, offset, length))
    return bytesTensor(from.subarray(offset, offset + length))
  }

  /** Runs `body` with the source in the form that the addon's archive functions take: the path, or a tensor with the bytes. */
  async native<T>(body: (source: string | TensorHandle) => Promise<T>): Promise<T> {
    const from = this.#from
    if (typeof from === 'string') return onLane(() => body(from))
    const bytes = binding.tensorFromBuffer(from, 'uint8', [from.length], currentContext().modes)
    try {
      return await onLane(() => body(bytes))
    } finally {
      binding.dispose(bytes)
    }
  }
}

/** A uint8 tensor with a copy of the bytes. */
export function bytesTensor(bytes: Uint8Array): TensorHandle {
  return binding.tensorFromTypedArray(bytes, 'uint8', [bytes.length], 'cpu', currentContext().modes)
}

function unreadable(name: string, cause: unknown): SosError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new SosError('ERR_FILE_NOT_FOUND', `${name}: there is no such file`, {
      cause,
    })
  }
  return new SosError('ERR_FILE_UNREADABLE', `${name}: the file cannot be read: ${message}`, { cause })
}
