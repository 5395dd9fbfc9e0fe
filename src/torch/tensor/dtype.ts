import { SosError } from '../../base/index.js'
import type { Complex } from './complex.js'

/** A dtype, by PyTorch's name. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'float8_e4m3fn'
  | 'float8_e4m3fnuz'
  | 'float8_e5m2'
  | 'float8_e5m2fnuz'
  | 'float8_e8m0fnu'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'bool'
  | 'complex32'
  | 'complex64'
  | 'complex128'
  | 'qint8'
  | 'quint8'
  | 'qint32'

/** How the elements of a tensor are stored: densely with strides, or sparsely. As Python's `torch.layout`, without `torch.`. */
export type Layout = 'strided' | 'sparse_coo' | 'sparse_csr' | 'sparse_csc' | 'sparse_bsr' | 'sparse_bsc'
/**
 * The order of a dense tensor's dimensions in memory, as Python's `torch.memory_format`. `channels_last` is for tensors [N, C, H, W] and stores
 * the channels of a pixel next to each other; `channels_last_3d` does so for [N, C, D, H, W].
 */
export type MemoryFormat = 'contiguous_format' | 'preserve_format' | 'channels_last' | 'channels_last_3d'

/** A device, by PyTorch's name: `cpu`, `cuda`, `cuda:1`. */
export type Device = string

/** A number that an operator takes as a scalar. A whole number counts as an integer, as in `tensor.add(1)`. */
export type Scalar = number | bigint | boolean | Complex

/** A typed array whose elements some dtype has. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray

/** How JavaScript reads the elements of a dtype. */
export interface ElementLayout {
  /** The typed array that holds them. */
  readonly array: new (
    buffer: ArrayBuffer,
  ) => TypedArray
  /** How many places of the array one element takes. */
  readonly places: 1 | 2
  /** If the array holds bits that JavaScript cannot read as numbers: the dtype to which they are converted for reading. */
  readonly readsAs?: DType
}

const layouts: Record<DType, ElementLayout> = {
  float32: { array: Float32Array, places: 1 },
  float64: { array: Float64Array, places: 1 },
  float16: { array: Uint16Array, places: 1, readsAs: 'float32' },
  bfloat16: { array: Uint16Array, places: 1, readsAs: 'float32' },
  float8_e4m3fn: { array: Uint8Array, places: 1, readsAs: 'float32' },
  float8_e4m3fnuz: { array: Uint8Array, places: 1, readsAs: 'float32' },
  float8_e5m2: { array: Uint8Array, places: 1, readsAs: 'float32' },
  float8_e5m2fnuz: { array: Uint8Array, places: 1, readsAs: 'float32' },
  float8_e8m0fnu: { array: Uint8Array, places: 1, readsAs: 'float32' },
  int64: { array: BigInt64Array, places: 1 },
  int32: { array: Int32Array, places: 1 },
  int16: { array: Int16Array, places: 1 },
  int8: { array: Int8Array, places: 1 },
  uint64: { array: BigUint64Array, places: 1 },
  uint32: { array: Uint32Array, places: 1 },
  uint16: { array: Uint16Array, places: 1 },
  uint8: { array: Uint8Array, places: 1 },
  bool: { array: Uint8Array, places: 1 },
  complex32: { array: Uint16Array, places: 2, readsAs: 'complex64' },
  complex64: { array: Float32Array, places: 2 },
  complex128: { array: Float64Array, places: 2 },
  qint8: { array: Int8Array, places: 1, readsAs: 'float32' },
  quint8: { array: Uint8Array, places: 1, readsAs: 'float32' },
  qint32: { array: Int32Array, places: 1, readsAs: 'float32' },
}

/** Whether a name is that of a dtype. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(layouts, name)
}

/** How JavaScript reads the elements of a dtype. Throws `ERR_DTYPE` for an unknown name. */
export function elementLayout(dtype: DType): ElementLayout {
  const layout = layouts[dtype]
  if (layout !== undefined) return layout
  throw new SosError(
    'ERR_DTYPE',
    `expected one of the dtypes ${Object.keys(layouts).join(', ')} but received '${dtype}'`,
  )
}

/** The bytes of one element. */
export function elementSize(dtype: DType): number {
  const { array, places } = elementLayout(dtype)
  return places * (array as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT
}

/** The smallest and the largest number of each integer dtype. */
export const integerRanges: { readonly [dtype in DType]?: readonly [bigint, bigint] } = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  int8: [-128n, 127n],
  uint64: [0n, 2n ** 64n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  uint8: [0n, 255n],
}

const arrays: readonly [new (...args: never[]) => TypedArray, DType][] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [BigInt64Array, 'int64'],
  [BigUint64Array, 'uint64'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
  [Int16Array, 'int16'],
  [Uint16Array, 'uint16'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
]

/** The dtype of a typed array's elements. */
export function dtypeOf(values: object): DType {
  for (const [arrayType, dtype] of arrays) {
    if (values instanceof arrayType) return dtype
  }
  throw new SosError(
    'ERR_DTYPE',
    `expected a typed array with a dtype of PyTorch but received ${Object.prototype.toString.call(values)}`,
  )
}

/** Whether a dtype is one of the real floating-point dtypes that weights have. */
export function isFloating(dtype: string): dtype is 'float16' | 'bfloat16' | 'float32' | 'float64' {
  return /^b?float(16|32|64)$/.test(dtype)
}
