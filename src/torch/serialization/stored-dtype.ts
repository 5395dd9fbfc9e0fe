import { SosError } from '../../base/index.js'

/** A dtype and its names in files. */
export interface StoredDType {
  /** PyTorch's name. */
  readonly dtype: string
  /** The bytes of one element. */
  readonly bytes: number
  /** The name in safetensors files; null if that format does not have the dtype. */
  readonly safetensors: string | null
  /** The storage class that torch.save writes; null for a dtype that it writes as an untyped storage. */
  readonly storage: string | null
}

const storedDTypes: readonly StoredDType[] = (
  [
    ['float64', 8, 'F64', 'DoubleStorage'],
    ['float32', 4, 'F32', 'FloatStorage'],
    ['float16', 2, 'F16', 'HalfStorage'],
    ['bfloat16', 2, 'BF16', 'BFloat16Storage'],
    ['int64', 8, 'I64', 'LongStorage'],
    ['int32', 4, 'I32', 'IntStorage'],
    ['int16', 2, 'I16', 'ShortStorage'],
    ['int8', 1, 'I8', 'CharStorage'],
    ['uint8', 1, 'U8', 'ByteStorage'],
    ['bool', 1, 'BOOL', 'BoolStorage'],
    ['complex64', 8, 'C64', 'ComplexFloatStorage'],
    ['complex128', 16, null, 'ComplexDoubleStorage'],
    ['complex32', 4, null, null],
    ['uint64', 8, 'U64', null],
    ['uint32', 4, 'U32', null],
    ['uint16', 2, 'U16', null],
    ['float8_e4m3fn', 1, 'F8_E4M3', null],
    ['float8_e4m3fnuz', 1, 'F8_E4M3FNUZ', null],
    ['float8_e5m2', 1, 'F8_E5M2', null],
    ['float8_e5m2fnuz', 1, 'F8_E5M2FNUZ', null],
    ['float8_e8m0fnu', 1, 'F8_E8M0', null],
  ] as const
).map(([dtype, bytes, safetensors, storage]) => ({ dtype, bytes, safetensors, storage }))

/** The dtype with a name, by the kind of the name. */
export function storedDType(by: keyof StoredDType, name: string): StoredDType | undefined {
  return storedDTypes.find((stored) => stored[by] === name)
}

/** The dtype of a tensor to write. Throws `ERR_DTYPE` if files have no name for it. */
export function writableDType(dtype: string, tensorName: string): StoredDType {
  const stored = storedDType('dtype', dtype)
  if (stored !== undefined) return stored
  throw new SosError(
    'ERR_DTYPE',
    `'${tensorName}': expected a dtype that can be written but received ${dtype}; convert the tensor first`,
  )
}

/** The bytes of one element of a dtype on the list; 1 for an untyped storage, null. */
export function storedElementSize(dtype: string | null): number {
  return dtype === null ? 1 : storedDType('dtype', dtype)!.bytes
}
