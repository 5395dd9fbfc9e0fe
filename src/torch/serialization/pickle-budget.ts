import type { PickleReader } from './pickle-reader.js'
import type { PickleValue } from './pickle-values.js'
import { refusedPickle } from './refused-pickle.js'

/**
 * The budget of one pickle, in units of about ten bytes or a few nanoseconds. A tensor and its share of an optimizer's state take about 200, so
 * that a checkpoint of 100,000 tensors stays far below. A pickle that uses it up has taken seconds and some hundred megabytes, whatever the
 * size of the file.
 */
const totalBudget = 64_000_000

/** The cost of an empty container, and of each value that is put into one. Dicts, sets and the memo are hash tables. */
const costs = { list: 4, listed: 1, table: 40, entered: 4 }

/** Limits the work and memory of one pickle: a few bytes of a zip archive can unpack to a thousand times as many opcodes. */
export class PickleBudget {
  #left = totalBudget
  #numericKeys = 0

  constructor(readonly reader: PickleReader) {}

  /** Throws `ERR_UNSAFE_PICKLE` when the budget is used up. */
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
   * Pays for a key of a dict or a member of a set. The maker of a file can choose numbers with equal hashes, and each of these is compared with
   * all before it: later numbers cost more. Texts are hashed with a secret.
   */
  entered(key: PickleValue): void {
    const numeric = typeof key === 'number' || typeof key === 'bigint'
    this.spend(costs.entered + (numeric ? this.#numericKeys++ / 32 : 0))
  }

  /** Pays for what a call may copy of an argument. */
  copied(value: PickleValue): void {
    if (typeof value === 'string' || value instanceof Uint8Array) this.spend(value.length / 2)
    else if (Array.isArray(value)) for (const element of value) this.entered(element)
    else if (value instanceof Map || value instanceof Set) for (const key of value.keys()) this.entered(key)
  }
}
