import type { PickleBudget } from './pickle-budget.js'
import type { PickleReader } from './pickle-reader.js'
import type { PickleValue } from './pickle-values.js'
import { refusedPickle } from './refused-pickle.js'

// Bounds against pickles that are made to exhaust memory. A checkpoint of 100,000 tensors stays far below.
const deepestMarks = 1000
const tallestStack = 4_000_000

/** The values of a pickle that is being read: a stack with marks, which limit what can be taken, and a memo. */
export class PickleStack {
  readonly #values: PickleValue[] = []
  readonly #marks: number[] = []
  readonly #memo = new Map<number, PickleValue>()

  constructor(
    readonly reader: PickleReader,
    readonly budget: PickleBudget,
  ) {}

  push(value: PickleValue): void {
    if (this.#values.length >= tallestStack)
      throw refusedPickle(this.reader, 'stacks more values than weights need')
    this.#values.push(value)
  }

  top(): PickleValue {
    this.#need(1)
    return this.#values.at(-1)!
  }

  pop(): PickleValue {
    this.#need(1)
    return this.#values.pop()!
  }

  popMany(count: number): PickleValue[] {
    this.#need(count)
    return this.#values.splice(this.#values.length - count)
  }

  mark(): void {
    if (this.#marks.length >= deepestMarks)
      throw refusedPickle(this.reader, 'is nested deeper than weights are')
    this.#marks.push(this.#values.length)
  }

  /** Takes the last mark and the values above it. */
  popMark(): PickleValue[] {
    const mark = this.#marks.pop()
    if (mark === undefined) throw this.reader.damaged('it ends a group that did not begin')
    return this.#values.splice(mark)
  }

  /** Takes the last value, or the last mark if nothing is above it. */
  discard(): void {
    if (this.#values.length === this.#marks.at(-1)) this.#marks.pop()
    else this.pop()
  }

  /** Stores the last value in the memo, by default under the next number. */
  remember(index = this.#memo.size): void {
    this.budget.remembered()
    this.#memo.set(index, this.top())
  }

  recall(index: number): void {
    const value = this.#memo.get(index)
    if (value === undefined) throw this.reader.damaged('it recalls a value that is not there')
    this.push(value)
  }

  #need(count: number): void {
    if (this.#values.length - count < (this.#marks.at(-1) ?? 0)) {
      throw this.reader.damaged('it takes a value that is not there')
    }
  }
}
