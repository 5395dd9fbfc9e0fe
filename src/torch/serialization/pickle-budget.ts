import type { PickleReader } from './pickle-reader.js'
import type { PickleValue } from './pickle-values.js'
import { refusedPickle } from './refused-pickle.js'

/**
 * In units of some ten bytes or a few nanoseconds. A tensor and its share of an optimizer's state take about 200, so that a checkpoint of
 * 100,000 tensors stays far below; what uses it up took seconds and some hundred megabytes, whatever the file's size.
 */
const whole = 64_000_000

/** Of a container that is empty, and of each value that is put into one; dicts, sets and the memo are hash tables. */
const costs = { list: 4, listed: 1, table: 40, entered: 4 }

/** Work and memory that one pickle may take: a few bytes of a zip archive unpack to a thousand times as many opcodes. */
export class PickleBudget {
  #left = whole
  #numericKeys = 0

  constructor(readonly reader: PickleReader) {}

  /** @throws `ERR_UNSAFE_PICKLE` where nothing is left */
  spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw refusedPickle(this.reader, 'builds more than weights need')
  }

  list(elements: number): void {
    this.spend(costs.list + costs.listed * elements)
  }

  listed(elements: number): void {
    this.spend(costs.listed * elements)
  }

  table(): void {
    this.spend(costs.table)
  }

  remembered(): void {
    this.spend(costs.entered)
  }

  /**
   * A key of a dict, or a member of a set. Of numbers whoever makes the file can choose those of one hash, each of which is compared with
   * all before it: later ones cost more. Texts are hashed with a secret.
   */
  entered(key: PickleValue): void {
    const numeric = typeof key === 'number' || typeof key === 'bigint'
    this.spend(costs.entered + (numeric ? this.#numericKeys++ / 32 : 0))
  }

  /** What a call may copy of an argument. */
  copied(value: PickleValue): void {
    if (typeof value === 'string' || value instanceof Uint8Array) this.spend(value.length / 2)
    else if (Array.isArray(value)) for (const element of value) this.entered(element)
    else if (value instanceof Map || value instanceof Set) for (const key of value.keys()) this.entered(key)
  }
}
