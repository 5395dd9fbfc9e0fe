import { inspect } from 'node:util'

import { binding, type TensorHandle } from './binding.js'
import { currentContext } from './context.js'
import { type Device, type DType, dtypeOf, type TypedArray, typedArrayOf } from './dtype.js'
import { SosError } from './errors.js'
import type { TensorMethods } from './operators.generated.js'
import type { TensorAutograd } from './tensor-autograd.js'

export type NestedArray<T> = T | NestedArray<T>[]

export interface TensorOptions {
  /** Default: the typed array's own; float32 for numbers, int64 for bigints, bool for booleans. */
  dtype?: DType
  device?: Device
  requiresGrad?: boolean
}

let readHandle: (tensor: Tensor) => TensorHandle

// Every ATen operator whose first argument is `self` is a method: their types are generated from libtorch's schemas.
export interface Tensor extends TensorMethods, TensorAutograd {}

/**
 * A tensor of libtorch. Its memory is freed by `dispose()` or `using`, at the end of a `scope`, or at the latest by the
 * garbage collector, which knows its size.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: ops.ts defines these methods on the prototype
export class Tensor {
  readonly #handle: TensorHandle

  static {
    readHandle = (tensor) => tensor.#handle
  }

  /** Not for users: `torch.tensor` and the operators make tensors. */
  constructor(handle: TensorHandle) {
    this.#handle = handle
    currentContext().scope?.add(this)
  }

  /** Makes a tensor from numbers, nested arrays or a typed array, whose values are copied. */
  static from(
    values: TypedArray | NestedArray<number> | NestedArray<bigint> | NestedArray<boolean>,
    options: TensorOptions & { shape?: readonly number[] } = {},
  ): Tensor {
    const { flat, shape, stores, dtype } = ArrayBuffer.isView(values) ? viewed(values) : flatten(values)
    const stored = new Tensor(
      binding.tensorFromTypedArray(
        flat,
        stores,
        checkedShape(options.shape ?? shape, flat.length),
        options.device ?? 'cpu',
        currentContext().modes,
      ),
    )
    const wanted = options.dtype ?? dtype
    let tensor = stored
    if (wanted !== stores) {
      tensor = stored.to(wanted)
      stored.dispose()
    }
    if (options.requiresGrad) tensor.requiresGrad = true
    return tensor
  }

  get shape(): readonly number[] {
    return binding.tensorShape(this.#handle)
  }

  get dtype(): DType {
    return binding.tensorDtype(this.#handle) as DType
  }

  get device(): Device {
    return binding.tensorDevice(this.#handle)
  }

  get requiresGrad(): boolean {
    return binding.tensorRequiresGrad(this.#handle)
  }

  set requiresGrad(value: boolean) {
    binding.tensorSetRequiresGrad(this.#handle, value, currentContext().modes)
  }

  /** The only element, a boolean as 0 or 1. Throws `ERR_SHAPE` where there is not exactly one. A device is waited for. */
  item(): number {
    return Number(binding.tensorItem(this.#handle))
  }

  /** A copy of the elements in row-major order. A device is waited for. */
  toTypedArray(): TypedArray {
    const array = typedArrayOf(this.dtype)
    return new array(binding.tensorToArrayBuffer(this.#handle))
  }

  /** A copy of the elements as nested arrays of numbers (int64 too; throws where one is no safe integer). */
  toArray(): NestedArray<number> {
    const values = Array.from(this.toTypedArray() as Iterable<number | bigint>, (value) => {
      const number = Number(value)
      if (typeof value === 'bigint' && !Number.isSafeInteger(number)) {
        throw new SosError('ERR_RANGE', `${value} is no safe integer; read it by toTypedArray()`)
      }
      return number
    })
    return nest(values, this.shape)
  }

  get disposed(): boolean {
    return binding.isDisposed(this.#handle)
  }

  /** Frees the memory now, unless other tensors share it. Using the tensor afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [inspect.custom](): string {
    if (this.disposed) return 'Tensor (disposed)'
    const head = `Tensor[${this.shape.join(', ')}] ${this.dtype} ${this.device}`
    return this.shape.reduce((a, b) => a * b, 1) <= 64 &&
      this.dtype !== 'float16' &&
      this.dtype !== 'bfloat16'
      ? `${head} ${inspect(this.toArray(), { depth: 8 })}`
      : head
  }
}

/** The native side of a tensor, for this folder's other files. */
export function handleOf(tensor: Tensor): TensorHandle {
  return readHandle(tensor)
}

function checkedShape(shape: readonly number[], length: number): readonly number[] {
  const size = shape.reduce((a, b) => a * b, 1)
  if (size !== length || shape.some((extent) => !Number.isInteger(extent) || extent < 0)) {
    throw new SosError(
      'ERR_SHAPE',
      `expected values for the shape [${shape.join(', ')}] (${size}) but received ${length}`,
    )
  }
  return shape
}

/** Values laid out flat, the dtype that `flat` stores and the one that the tensor gets if none is asked for. */
interface Flat {
  flat: TypedArray
  shape: number[]
  stores: DType
  dtype: DType
}

function viewed(values: TypedArray): Flat {
  const dtype = dtypeOf(values)
  return { flat: values, shape: [values.length], stores: dtype, dtype }
}

function flatten(values: NestedArray<number> | NestedArray<bigint> | NestedArray<boolean>): Flat {
  const shape: number[] = []
  for (let level: unknown = values; Array.isArray(level); level = level[0]) shape.push(level.length)
  const leaves: unknown[] = []
  const walk = (value: unknown, depth: number): void => {
    if (Array.isArray(value) !== depth < shape.length) throw ragged(shape)
    if (!Array.isArray(value)) {
      leaves.push(value)
      return
    }
    if (value.length !== shape[depth]) throw ragged(shape)
    for (const element of value) walk(element, depth + 1)
  }
  walk(values, 0)
  const kind = leaves.length === 0 ? 'number' : typeof leaves[0]
  if (leaves.some((leaf) => typeof leaf !== kind)) {
    throw new SosError('ERR_DTYPE', 'expected values of one kind: all numbers, all bigints or all booleans')
  }
  if (kind === 'bigint') {
    return { flat: BigInt64Array.from(leaves as bigint[]), shape, stores: 'int64', dtype: 'int64' }
  }
  if (kind === 'boolean') {
    return { flat: Uint8Array.from(leaves as number[]), shape, stores: 'bool', dtype: 'bool' }
  }
  if (kind === 'number') {
    return { flat: Float64Array.from(leaves as number[]), shape, stores: 'float64', dtype: 'float32' }
  }
  throw new SosError('ERR_DTYPE', `expected numbers, bigints or booleans but received a ${kind}`)
}

function ragged(shape: readonly number[]): SosError {
  return new SosError('ERR_SHAPE', `expected nested arrays of equal lengths, as [${shape.join(', ')}]`)
}

function nest(values: number[], shape: readonly number[]): NestedArray<number> {
  if (shape.length === 0) return values[0]!
  const [length, ...inner] = shape
  if (inner.length === 0) return values
  const stride = inner.reduce((a, b) => a * b, 1)
  return Array.from({ length: length! }, (_, i) => nest(values.slice(i * stride, (i + 1) * stride), inner))
}
