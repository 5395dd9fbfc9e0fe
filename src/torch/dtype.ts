import { SosError } from './errors.js'

/** PyTorch's dtypes by their names. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool'
  | 'complex64'
  | 'complex128'

export type Layout = 'strided' | 'sparse_coo' | 'sparse_csr' | 'sparse_csc' | 'sparse_bsr' | 'sparse_bsc'
export type MemoryFormat = 'contiguous_format' | 'preserve_format' | 'channels_last' | 'channels_last_3d'

/** A device by PyTorch's name: `cpu`, `cuda`, `cuda:1`. */
export type Device = string

/** A number that an operator takes as a scalar; a whole one counts as an integer, as in `tensor.add(1)`. */
export type Scalar = number | bigint | boolean

export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray

/** The dtypes whose elements a typed array can hold, and its constructor. Booleans are bytes of 0 and 1. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const

export type ArrayDType = keyof typeof arrays

export function typedArrayOf(dtype: DType): (typeof arrays)[ArrayDType] {
  const arrayType = arrays[dtype as ArrayDType]
  if (arrayType === undefined) {
    throw new SosError(
      'ERR_DTYPE',
      `expected a dtype that a typed array can hold (${Object.keys(arrays).join(', ')}) but received ${dtype}; convert the tensor first, as in tensor.to('float32')`,
    )
  }
  return arrayType
}

export function dtypeOf(values: TypedArray): ArrayDType {
  if (values instanceof Uint8ClampedArray) return 'uint8'
  for (const [dtype, arrayType] of Object.entries(arrays)) {
    if (values instanceof arrayType) return dtype as ArrayDType
  }
  throw new SosError(
    'ERR_DTYPE',
    `expected a typed array of a dtype that PyTorch has but received ${Object.prototype.toString.call(values)}`,
  )
}
