import { types } from 'node:util'
import { markAsUntransferable } from 'node:worker_threads'
import { SosError } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { Complex } from './complex.js'
import { type Device, type DType, dtypeOf, elementLayout, elementSize, type TypedArray } from './dtype.js'
import { flatten, type NestedValues } from './nested-array.js'
import { elementCount } from './shape.js'

/** Options of `torch.tensor`. */
export interface TensorOptions {
  /**
   * The dtype of the tensor. Default: that of a typed array; float32 for numbers, int64 for bigints, bool for booleans, complex64 for
   * complex numbers.
   */
  dtype?: DType
  /** The device of the tensor. Default: `cpu`. */
  device?: Device
  /** Whether operators on the tensor are recorded for gradients. Only floating-point and complex dtypes allow it. Default: false. */
  requiresGrad?: boolean
}

/** Options of `torch.fromBuffer`. */
export interface BufferOptions {
  /** The dtype of the elements. Default: that of a typed array; uint8 for a Buffer, an ArrayBuffer or a DataView. */
  dtype?: DType
  /** The shape of the tensor. Default: one dimension with all elements from `byteOffset` on. */
  shape?: readonly number[]
  /** Where the elements begin, in bytes from the beginning of `source`. Default: 0. */
  byteOffset?: number
  /** Whether operators on the tensor are recorded for gradients, as in {@link TensorOptions}. Default: false. */
  requiresGrad?: boolean
}

/** Copies JavaScript values into a new native tensor. */
export function tensorOfValues(
  values: TypedArray | NestedValues,
  { dtype, device = 'cpu', shape: requestedShape }: TensorOptions & { shape?: readonly number[] },
): TensorHandle {
  const flattened = ArrayBuffer.isView(values) ? flatTypedArray(values as TypedArray) : flatten(values, dtype)
  const shape = requestedShape ?? flattened.shape
  expectElements(shape, flattened.flat.length / elementLayout(flattened.stores).places)
  return binding.tensorFromTypedArray(
    flattened.flat,
    flattened.stores,
    shape,
    device,
    currentContext().modes,
    dtype ?? flattened.dtype,
  )
}

function flatTypedArray(values: TypedArray) {
  const dtype = dtypeOf(values)
  return { flat: values, shape: [values.length], stores: dtype, dtype }
}

function expectElements(shape: readonly number[], length: number): void {
  const size = elementCount(shape)
  if (size === length && shape.every((extent) => Number.isInteger(extent) && extent >= 0)) return
  throw new SosError(
    'ERR_SHAPE',
    `expected ${size} values for the shape [${shape.join(', ')}] but received ${length}`,
  )
}

/** Makes a native tensor that uses JavaScript's memory in place. */
export function tensorOverBuffer(
  source: ArrayBufferLike | NodeJS.ArrayBufferView,
  { dtype, shape, byteOffset = 0 }: BufferOptions,
): TensorHandle {
  if (!ArrayBuffer.isView(source) && !types.isAnyArrayBuffer(source)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected a Buffer, a typed array, a DataView, an ArrayBuffer or a SharedArrayBuffer but received something else; for arrays, use torch.tensor',
    )
  }
  const view = ArrayBuffer.isView(source)
    ? source
    : { buffer: source, byteOffset: 0, byteLength: source.byteLength }
  const stores = dtype ?? (isTypedArray(source) ? dtypeOf(source) : 'uint8')
  const size = elementSize(stores)
  const rest = view.byteLength - byteOffset
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || rest < 0) {
    throw new SosError(
      'ERR_RANGE',
      `expected a byteOffset from 0 to ${view.byteLength}, the number of bytes, but received ${byteOffset}`,
    )
  }
  if (shape === undefined && rest % size !== 0) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a multiple of ${size} bytes for ${stores} but there are ${rest}; to use a part of them, pass its shape`,
    )
  }
  const extents = shape ?? [rest / size]
  const bytes = elementCount(extents) * size
  if (!extents.every((extent) => Number.isInteger(extent) && extent >= 0) || bytes > rest) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a shape of at most ${rest} bytes, the number from byteOffset on, but [${extents.join(', ')}] in ${stores} takes ${bytes}`,
    )
  }
  holdInPlace(view.buffer)
  return binding.tensorFromBuffer(
    new Uint8Array(view.buffer, view.byteOffset + byteOffset, bytes),
    stores,
    extents,
    currentContext().modes,
  )
}

function isTypedArray(source: object): source is TypedArray {
  return ArrayBuffer.isView(source) && !(source instanceof DataView)
}

/** Prevents JavaScript from shrinking or moving the memory while a tensor uses it: the tensor would read memory that was freed. */
function holdInPlace(buffer: ArrayBufferLike): void {
  if (buffer instanceof SharedArrayBuffer) return // it can only grow, and stays in place
  if ((buffer as { resizable?: boolean }).resizable) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected memory of a fixed length but received a resizable ArrayBuffer; copy it with slice() or torch.tensor',
    )
  }
  markAsUntransferable(buffer)
  // ArrayBuffer.prototype.transfer (Node 22) does not respect the mark.
  for (const name of ['transfer', 'transferToFixedLength']) {
    if (name in buffer && !Object.hasOwn(buffer, name))
      Object.defineProperty(buffer, name, { value: refuseTransfer })
  }
}

function refuseTransfer(): never {
  throw new SosError(
    'ERR_BUSY',
    'expected an ArrayBuffer that can be transferred but a tensor from torch.fromBuffer uses its memory; copy it with slice()',
  )
}

/** Reads the elements as numbers, bigints or complex numbers, in row-major order. */
export function readElements(tensor: TensorHandle, dtype: DType): (number | bigint | Complex)[] {
  const { readsAs } = elementLayout(dtype)
  const { array, places } = elementLayout(readsAs ?? dtype)
  const values = new array(binding.tensorToArrayBuffer(tensor, readsAs))
  if (places === 1) return Array.from(values as Iterable<number | bigint>)
  return Array.from(
    { length: values.length / 2 },
    (_, i) => new Complex(values[2 * i] as number, values[2 * i + 1] as number),
  )
}
