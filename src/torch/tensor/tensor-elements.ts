import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { Complex } from './complex.js'
import { elementLayout, type TypedArray } from './dtype.js'
import { readElements } from './elements.js'
import { extendTensor } from './extend.js'
import { type NestedArray, nest } from './nested-array.js'
import { handleOf } from './tensor.js'

/** The methods of a tensor that give its elements to JavaScript. */
export interface TensorElements {
  /**
   * Reads the element of a tensor with one element. It waits for the device of the tensor.
   *
   * @returns a number; 0 or 1 for a boolean; a {@link Complex} for a complex tensor, as in `item<Complex>()`
   * @throws `ERR_SHAPE` unless there is exactly one element; `ERR_RANGE` for an integer beyond 2^53, which {@link itemBigInt} reads
   */
  item<T extends number | Complex = number>(): T

  /**
   * Reads the element of an integer tensor with one element.
   *
   * @returns the element as a bigint
   * @throws `ERR_SHAPE` unless there is exactly one element, `ERR_DTYPE` for another dtype
   */
  itemBigInt(): bigint

  /**
   * Copies the elements, in row-major order, into a typed array. It waits for the device of the tensor.
   *
   * Numbers that JavaScript does not have are copied as their bits: float16, bfloat16 and complex32 as a Uint16Array, float8 as a Uint8Array.
   * A quantised tensor is copied as its integers, a boolean as a byte of 0 or 1. A complex element takes two places.
   *
   * @returns a new array, whose type depends on the dtype
   * @example
   * console.log(torch.tensor([1n, 2n]).toTypedArray())
   * // → BigInt64Array(2) [ 1n, 2n ]
   */
  toTypedArray<T extends TypedArray = TypedArray>(): T

  /**
   * Copies the elements as {@link toTypedArray} does.
   *
   * @returns their bytes
   */
  toArrayBuffer(): ArrayBuffer

  /**
   * Copies the elements as {@link toTypedArray} does.
   *
   * @returns their bytes as a Buffer, for a file or a socket
   */
  toBuffer(): Buffer

  /**
   * Gives access to the tensor's own memory as a typed array, without a copy: each sees what the other writes.
   *
   * The memory is kept as long as the array is reachable, also after the tensor is disposed of. It is freed at a turn of the event loop, so a
   * loop that never yields should use {@link toTypedArray}. Autograd does not notice a write to the array, and an operator must not work on
   * the same memory during it. From then on the memory stays in place: what would enlarge it (`resize_`, `out`) throws `ERR_TORCH`, as
   * after Python's `numpy()`.
   *
   * @returns an array over the memory of the tensor
   * @throws `ERR_NOT_VIEWABLE` for a tensor that is not contiguous, requires gradients or is on another device, and in a runtime that does
   *   not allow such arrays (Electron); `ERR_BUSY` while a pending operator writes to the tensor
   * @example
   * const zeros = torch.zeros([2])
   * zeros.asTypedArray()[1] = 7
   * console.log(zeros)
   * // → tensor([0., 7.])
   */
  asTypedArray<T extends TypedArray = TypedArray>(): T

  /**
   * Copies the elements into nested arrays. It waits for the device of the tensor.
   *
   * @returns arrays of numbers; booleans are 0 and 1, complex elements are {@link Complex}, as in `toArray<Complex>()`
   * @throws `ERR_RANGE` for an integer beyond 2^53, which {@link toTypedArray} reads
   */
  toArray<T extends number | Complex = number>(): NestedArray<T>
}

declare module './tensor.js' {
  interface Tensor extends TensorElements {}
}

extendTensor<TensorElements>({
  item<T extends number | Complex = number>(): T {
    const value = binding.tensorItem(handleOf(this))
    if (typeof value === 'number') return value as T
    if (typeof value === 'bigint') throw unsafeInteger(value, 'itemBigInt()')
    return (typeof value === 'boolean' ? Number(value) : new Complex(value[0]!, value[1]!)) as T
  },

  itemBigInt(): bigint {
    const value = binding.tensorItem(handleOf(this))
    if (typeof value === 'bigint') return value
    if (/^u?int/.test(this.dtype)) return BigInt(value as number)
    throw new SosError('ERR_DTYPE', `expected a tensor of an integer dtype but this one is of ${this.dtype}`)
  },

  toTypedArray<T extends TypedArray = TypedArray>(): T {
    const { array } = elementLayout(this.dtype)
    return new array(binding.tensorToArrayBuffer(handleOf(this))) as T
  },

  toArrayBuffer(): ArrayBuffer {
    return binding.tensorToArrayBuffer(handleOf(this))
  },

  toBuffer(): Buffer {
    return Buffer.from(this.toArrayBuffer())
  },

  asTypedArray<T extends TypedArray = TypedArray>(): T {
    const { array } = elementLayout(this.dtype)
    return new array(binding.tensorAsArrayBuffer(handleOf(this))) as T
  },

  toArray<T extends number | Complex = number>(): NestedArray<T> {
    const values = readElements(handleOf(this), this.dtype).map((value) => {
      if (typeof value !== 'bigint') return value
      const number = Number(value)
      if (!Number.isSafeInteger(number)) throw unsafeInteger(value, 'toTypedArray()')
      return number
    })
    return nest(values as T[], this.shape)
  },
})

function unsafeInteger(value: bigint, remedy: string): SosError {
  return new SosError(
    'ERR_RANGE',
    `expected an integer within ±2^53 but the element is ${value}; read it with ${remedy}`,
  )
}
