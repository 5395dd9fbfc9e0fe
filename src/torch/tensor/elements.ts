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
   * Default: the typed array's own; float32 for numbers, int64 for bigints, bool for booleans, complex64 for complex
   * numbers.
   */
  dtype?: DType
  /** Default: `cpu`. */
  device?: Device
  /** Whether operators on it are recorded for gradients; of floating-point and complex dtypes only. Default: false. */
  requiresGrad?: boolean
}

/** Options of `torch.fromBuffer`. */
export interface BufferOptions {
  /** Default: the typed array's own; uint8 for a Buffer, an ArrayBuffer and a DataView. */
  dtype?: DType
  /** Default: one dimension with all that follows `byteOffset`. */
  shape?: readonly number[]
  /** Where the elements begin, counted from the beginning of what is given. Default: 0. */
  byteOffset?: number
  /** As in {@link TensorOptions}. Default: false. */
  requiresGrad?: boolean
}

/** Copies JavaScript values into a new native tensor. */
export function tensorOfValues(
  values: TypedArray | NestedValues,
  { dtype, device = 'cpu', shape: given }: TensorOptions & { shape?: readonly number[] },
): TensorHandle {
  const laid = ArrayBuffer.isView(values) ? viewed(values as TypedArray) : flatten(values, dtype)
  const shape = given ?? laid.shape
  checkShape(shape, laid.flat.length / elementLayout(laid.stores).places)
  return binding.tensorFromTypedArray(
    laid.flat,
    laid.stores,
    shape,
    device,
    currentContext().modes,
    dtype ?? laid.dtype,
  )
}

function viewed(values: TypedArray) {
  const dtype = dtypeOf(values)
  return { flat: values, shape: [values.length], stores: dtype, dtype }
}

function checkShape(shape: readonly number[], length: number): void {
  const size = elementCount(shape)
  if (size === length && shape.every((extent) => Number.isInteger(extent) && extent >= 0)) return
  throw new SosError(
    'ERR_SHAPE',
    `expected values for the shape [${shape.join(', ')}] (${size}) but received ${length}`,
  )
}

/** A native tensor that uses JavaScript's memory in place. */
export function tensorOverBuffer(
  source: ArrayBufferLike | NodeJS.ArrayBufferView,
  { dtype, shape, byteOffset = 0 }: BufferOptions,
): TensorHandle {
  if (!ArrayBuffer.isView(source) && !types.isAnyArrayBuffer(source)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected a Buffer, a typed array, a DataView, an ArrayBuffer or a SharedArrayBuffer; torch.tensor takes arrays',
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
      `expected a byteOffset from 0 to ${view.byteLength}, the bytes there are, but received ${byteOffset}`,
    )
  }
  if (shape === undefined && rest % size !== 0) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a multiple of ${size} bytes for ${stores} but there are ${rest}; pass the shape of a part`,
    )
  }
  const extents = shape ?? [rest / size]
  const bytes = elementCount(extents) * size
  if (!extents.every((extent) => Number.isInteger(extent) && extent >= 0) || bytes > rest) {
    throw new SosError(
      'ERR_SHAPE',
      `expected at most ${rest} bytes, which there are from byteOffset on, but the shape [${extents.join(', ')}] in ${stores} takes ${bytes}`,
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

/** Memory that can shrink or move away while a tensor uses it would be read after it is freed. */
function holdInPlace(buffer: ArrayBufferLike): void {
  if (buffer instanceof SharedArrayBuffer) return // these only grow, in place
  if ((buffer as { resizable?: boolean }).resizable) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected memory of a fixed length but received a resizable ArrayBuffer; copy it by torch.tensor, or slice it',
    )
  }
  markAsUntransferable(buffer)
  // Node 22's own way of moving memory asks nobody.
  for (const name of ['transfer', 'transferToFixedLength']) {
    if (name in buffer && !Object.hasOwn(buffer, name))
      Object.defineProperty(buffer, name, { value: refuseTransfer })
  }
}

function refuseTransfer(): never {
  throw new SosError(
    'ERR_BUSY',
    'this ArrayBuffer is the memory of a tensor that torch.fromBuffer made: it stays where it is; slice() copies it',
  )
}

/** The elements as numbers, bigints or complex numbers, in row-major order. */
export function readElements(tensor: TensorHandle, dtype: DType): (number | bigint | Complex)[] {
  const reads = elementLayout(dtype).reads
  const { array, places } = elementLayout(reads ?? dtype)
  const values = new array(binding.tensorToArrayBuffer(tensor, reads))
  if (places === 1) return Array.from(values as Iterable<number | bigint>)
  return Array.from(
    { length: values.length / 2 },
    (_, i) => new Complex(values[2 * i] as number, values[2 * i + 1] as number),
  )
}
