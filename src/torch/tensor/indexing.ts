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

/** A range of positions, as Python's `start:stop:step`. {@link slice} makes one. */
export class Slice {
  /** The first position; a negative one counts from the end. Null for the beginning. */
  readonly start: number | null
  /** The position after the last; a negative one counts from the end. Null for the end. */
  readonly stop: number | null
  /** The distance between positions, at least 1. Null for 1. */
  readonly step: number | null

  /** Not for users: {@link slice} makes slices. */
  constructor(start: number | null, stop: number | null, step: number | null) {
    this.start = start
    this.stop = stop
    this.step = step
  }
}

/**
 * Makes an index for a range of positions: `slice()` is Python's `:`, `slice(1)` is `1:`, `slice(null, -1)` is `:-1` and `slice(0, 9, 2)` is
 * `0:9:2`.
 *
 * @param start the first position; a negative one counts from the end. Default: null, the beginning.
 * @param stop the position after the last; a negative one counts from the end. Default: null, the end.
 * @param step the distance between positions, at least 1. Default: null, which means 1.
 * @returns an index for `at` and `setAt`, which check the numbers
 * @example
 * console.log(torch.arange(5).at(slice(1, null, 2)))
 * // → tensor([1, 3])
 */
export function slice(
  start: number | null = null,
  stop: number | null = null,
  step: number | null = null,
): Slice {
  return new Slice(start, stop, step)
}

/**
 * One index of `tensor.at`, as between Python's brackets:
 * - a whole number takes one position and removes the dimension; a negative one counts from the end;
 * - a `slice(start, stop, step)` takes a range;
 * - `null` adds a dimension of 1;
 * - `'...'` stands for all dimensions that the other indices leave;
 * - an integer tensor, or an array of whole numbers, takes these positions (advanced indexing: several are broadcast together);
 * - a boolean tensor, or an array of booleans, takes the positions at which it is true.
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

/** The methods of a tensor that read and write parts of it. */
export interface TensorIndexing {
  /**
   * Reads the elements at an index, as Python's `x[i, j, …]`.
   *
   * @param index one {@link Index} for each dimension, or fewer
   * @returns a view if all indices are numbers, slices, `null` or `'...'`; a copy if one is a tensor or an array
   * @throws `ERR_INDEX` for an index that is out of range or of another type
   * @example
   * x.at(0) // x[0]
   * x.at('...', slice(null, -1)) // x[..., :-1]
   * x.at(x.gt(0)) // x[x > 0]
   */
  at(...index: Index[]): Tensor

  /**
   * Writes to the elements at an index, as Python's `x[i, j, …] = value`.
   *
   * @param index one {@link Index}, or an array of several: `[0, 1]` is `x[0, 1]`, and `[[0, 1]]` is `x[[0, 1]]`
   * @param value a number, or a tensor or an array that is broadcast
   * @returns the tensor itself
   * @throws `ERR_INDEX` as {@link at}, `ERR_INVALID_ARGUMENT` for a value of another type
   * @example
   * x.setAt([slice(), 0], 1) // x[:, 0] = 1
   * x.setAt(x.lt(0), 0) // x[x < 0] = 0
   */
  setAt(
    index: Exclude<Index, unknown[]> | readonly Index[],
    value: Tensor | Scalar | TypedArray | NestedValues,
  ): this

  /** Iterates over the parts along the first dimension, as Python's `for row in x`. Throws `ERR_SHAPE` for a tensor without dimensions. */
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
        'expected a tensor of at least one dimension to iterate over but this one has none; item() reads its element. In tests, compare tensors with torch.equal(a, b) or a.allclose(b), not element by element',
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

/** Converts an index to the form that the addon takes. */
function nativeIndex(index: Index): NativeValue {
  if (index === null || typeof index === 'boolean' || index === '...') return index
  if (typeof index === 'number') return wholeNumber(index)
  if (index instanceof Slice) return [bound(index.start), bound(index.stop), bound(index.step)]
  if (Array.isArray(index)) return tensorOfPositions(index)
  if (ArrayBuffer.isView(index)) {
    const handle = tensorOfValues(index, {})
    // PyTorch takes uint8 for a mask, for historical reasons. Here an array of bytes means positions.
    const dtype = index instanceof Uint8Array || index instanceof Uint8ClampedArray ? 'int64' : undefined
    return dtype ? binding.tensorTo(handle, 0, undefined, dtype, false, false, undefined) : handle
  }
  if (index instanceof Tensor) return handleOf(index)
  throw invalidIndex(index)
}

function tensorOfPositions(index: NestedArray<number | boolean>[]): TensorHandle {
  const { flat, shape, stores } = flatten(index as NestedValues)
  if (stores.startsWith('complex')) throw invalidIndex(index)
  if (stores === 'float64') for (const position of flat) wholeNumber(position)
  const dtype = stores === 'bool' ? 'bool' : 'int64'
  return binding.tensorFromTypedArray(flat, stores, shape, 'cpu', 0, dtype)
}

function bound(value: number | null): number | null {
  return value === null ? null : wholeNumber(value)
}

function wholeNumber(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number
  throw invalidIndex(value)
}

function invalidIndex(index: unknown): SosError {
  const what = typeof index === 'string' ? `'${index}'` : String(index)
  return new SosError(
    'ERR_INDEX',
    `expected an index to be a whole number, a slice(…), null, '...', a boolean, a tensor or an array of whole numbers or booleans but received ${what}`,
  )
}
