import { SosError } from '../../base/index.js'

/** Thrown when a pickle continues beyond the bytes that were read. */
export class PickleTruncated extends SosError {}

/** The longest integer that is read, in bytes. The time for longer ones grows as the square of the length. */
const longestInteger = 1024

/** Reads the operands of a pickle's opcodes. */
export class PickleReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** The position of the next byte. */
  position: number

  /** @param name the name of the file, for messages */
  constructor(
    bytes: Uint8Array,
    readonly name: string,
    position = 0,
  ) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = position
  }

  /** The number of bytes, read or not. */
  get length(): number {
    return this.#bytes.length
  }

  damaged(why: string): SosError {
    return new SosError(
      'ERR_DAMAGED_FILE',
      `${this.name}: the pickle is damaged at byte ${this.position}: ${why}`,
    )
  }

  byte(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true)
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true)
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true))
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false)
  }

  bytes(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  text(length: number): string {
    const bytes = this.bytes(length)
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      throw this.damaged('a text is not UTF-8')
    }
  }

  latin1(length: number): string {
    return Buffer.from(this.bytes(length)).toString('latin1')
  }

  /** A two's complement integer, little-endian: a number, or a bigint if a number would lose digits. */
  long(length: number): number | bigint {
    if (length > longestInteger) throw this.damaged(`an integer has ${length} bytes`)
    const bytes = this.bytes(length)
    if (length === 0) return 0
    const hex = Buffer.from(bytes).reverse().toString('hex')
    const value = BigInt.asIntN(8 * length, BigInt(`0x${hex}`))
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  /** The text up to the next line feed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position)
    if (end === -1) throw this.#truncated()
    const text = this.text(end - this.position)
    this.position++
    return text
  }

  #advance(length: number): number {
    const start = this.position
    if (length > this.#bytes.length - start) throw this.#truncated()
    this.position = start + length
    return start
  }

  #truncated(): PickleTruncated {
    return new PickleTruncated(
      'ERR_DAMAGED_FILE',
      `${this.name}: the pickle in the file is truncated or damaged`,
    )
  }
}
