import { binding, type NativeValue, type TensorHandle } from '../binding.js'
import { SosError } from '../errors.js'
import type { TypedArray } from './dtype.js'
import { tensorOfValues } from './elements.js'
import { flatten, type NestedArray, type NestedValues } from './nested-array.js'
import type { Tensor } from './tensor.js'

/** Python's `start:stop:step`; what is null is left out. */
export class Slice {
  /** The first position, from the end where it is negative; null for the first of all. */
  readonly start: number | null
  /** The first position that is left out; null for none. */
  readonly stop: number | null
  /** At least 1; null for 1. */
  readonly step: number | null

  constructor(start: number | null, stop: number | null, step: number | null) {
    this.start = start
    this.stop = stop
    this.step = step
  }
}

/**
 * A range of positions, as an index: `slice()` is Python's `:`, `slice(1)` is `1:`, `slice(null, -1)` is `:-1` and
 * `slice(0, 9, 2)` is `0:9:2`. Negative bounds count from the end; the step is at least 1.
 */
export function slice(
  start: number | null = null,
  stop: number | null = null,
  step: number | null = null,
): Slice {
  return new Slice(start, stop, step)
}

/**
 * One index of `tensor.at`, as in Python's brackets:
 * - a whole number takes one position, from the end where it is negative, and drops the dimension;
 * - a `slice(start, stop, step)` takes a range;
 * - `null` adds a dimension of 1;
 * - `'...'` stands for as many whole dimensions as the other indices leave;
 * - an integer tensor, or arrays of whole numbers, takes these positions (advanced indexing: several are broadcast
 *   together);
 * - a boolean tensor, or arrays of booleans, takes the places where it is true.
 */
export type Index =
  | number
  | null
  | '...'
  | boolean
  | Slice
  | Tensor
  | NestedArray<number>[]
  | NestedArray<boolean>[]
  | TypedArray

/** An index as the addon takes it. `handleOf` reads the native side of a tensor, and of nothing else. */
export function nativeIndex(
  index: Index,
  handleOf: (value: unknown) => TensorHandle | undefined,
): NativeValue {
  if (index === null || typeof index === 'boolean' || index === '...') return index
  if (typeof index === 'number') return whole(index)
  if (index instanceof Slice) return [bound(index.start), bound(index.stop), bound(index.step)]
  if (Array.isArray(index)) return positions(index)
  if (ArrayBuffer.isView(index)) {
    const handle = tensorOfValues(index, {})
    // What uint8 means as an index, a mask, is an old habit of PyTorch that nobody means here.
    const dtype = index instanceof Uint8Array || index instanceof Uint8ClampedArray ? 'int64' : undefined
    return dtype ? binding.tensorTo(handle, 0, undefined, dtype, false, false, undefined) : handle
  }
  const handle = handleOf(index)
  if (handle === undefined) throw unfit(index)
  return handle
}

function positions(index: NestedArray<number | boolean>[]): TensorHandle {
  const { flat, shape, stores } = flatten(index as NestedValues)
  if (stores.startsWith('complex')) throw unfit(index)
  if (stores === 'float64') for (const position of flat) whole(position)
  const dtype = stores === 'bool' ? 'bool' : 'int64'
  return binding.tensorFromTypedArray(flat, stores, shape, 'cpu', 0, dtype)
}

function bound(value: number | null): number | null {
  return value === null ? null : whole(value)
}

function whole(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number
  throw unfit(value)
}

function unfit(index: unknown): SosError {
  const what = typeof index === 'string' ? `'${index}'` : String(index)
  return new SosError(
    'ERR_INDEX',
    `expected an index to be a whole number, a slice(…), null, '...', a boolean, a tensor or an array of whole numbers or booleans but received ${what}`,
  )
}
