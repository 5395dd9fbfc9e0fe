import { SosError } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { binding } from '../native/binding.js'
import type { NativeValue, TensorHandle } from '../native/handles.js'
import { Complex } from './complex.js'
import type { Scalar, TypedArray } from './dtype.js'
import { tensorOfValues } from './elements.js'
import { extendTensor } from './extend.js'
import { flatten, type NestedArray, type NestedValues } from './nested-array.js'
import { handleOf, Tensor } from './tensor.js'

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

/** What reads and writes parts of a tensor. */
export interface TensorIndexing {
  /**
   * The elements at `index`, as Python's `x[i, j, …]`: {@link Index} lists what an index may be. Numbers, slices,
   * `null` and `'...'` alone give a view, tensors and arrays a copy. Throws `ERR_INDEX` where an index is out of range.
   *
   * @example
   * x.at(0) // x[0]
   * x.at('...', slice(null, -1)) // x[..., :-1]
   * x.at(x.gt(0)) // x[x > 0]
   */
  at(...index: Index[]): Tensor

  /**
   * Writes to the elements at `index`, as Python's `x[i, j, …] = value`. Several indices stand in an array: there
   * `[0, 1]` is `x[0, 1]`, and `[[0, 1]]` is `x[[0, 1]]`. A tensor or an array is broadcast.
   *
   * @example
   * x.setAt([slice(), 0], 1) // x[:, 0] = 1
   * x.setAt(x.lt(0), 0) // x[x < 0] = 0
   */
  setAt(
    index: Exclude<Index, unknown[]> | readonly Index[],
    value: Tensor | Scalar | TypedArray | NestedValues,
  ): this

  /** The parts along the first dimension, as Python's `for row in x`. */
  [Symbol.iterator](): Iterator<Tensor>
}

declare module './tensor.js' {
  interface Tensor extends TensorIndexing {}
}

extendTensor<TensorIndexing>({
  at(...index) {
    const { modes } = currentContext()
    return new Tensor(binding.tensorGetItem(handleOf(this), modes, index.map(nativeIndex)))
  },

  setAt(index, value) {
    const indices = (Array.isArray(index) ? (index as Index[]) : [index as Index]).map(nativeIndex)
    binding.tensorSetItem(handleOf(this), currentContext().modes, indices, nativeValue(this, value))
    return this
  },

  [Symbol.iterator]() {
    if (this.ndim === 0) {
      throw new SosError(
        'ERR_SHAPE',
        'expected a tensor of at least one dimension to iterate over; item() reads this one. Tests compare tensors by torch.equal(a, b) or a.allclose(b), not element by element',
      )
    }
    return this.unbind(0)[Symbol.iterator]()
  },
})

function nativeValue(target: Tensor, value: Tensor | Scalar | TypedArray | NestedValues): NativeValue {
  if (value instanceof Tensor) return handleOf(value)
  if (value instanceof Complex) return Float64Array.of(value.re, value.im)
  if (Array.isArray(value)) return tensorOfValues(value, { dtype: target.dtype, device: target.device })
  if (ArrayBuffer.isView(value)) return tensorOfValues(value as TypedArray, { device: target.device })
  if (['number', 'bigint', 'boolean'].includes(typeof value)) return value as number | bigint | boolean
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a tensor, a number or an array to write but received ${String(value)}`,
  )
}

/** An index as the addon takes it. */
function nativeIndex(index: Index): NativeValue {
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
  if (index instanceof Tensor) return handleOf(index)
  throw unfit(index)
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
