import { SosError } from '../../base/index.js'

/** A dtype as files name it. */
export interface StoredDType {
  /** PyTorch's name. */
  readonly dtype: string
  /** Bytes of an element. */
  readonly bytes: number
  /** safetensors' name; null where that format has none. */
  readonly safetensors: string | null
  /** The storage class that torch.save writes; null for those it writes as untyped storages. */
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

export function storedDType(by: keyof StoredDType, name: string): StoredDType | undefined {
  return storedDTypes.find((stored) => stored[by] === name)
}

/** The dtype of a tensor that is to be written. Throws `ERR_DTYPE` where files have no name for it. */
export function writableDType(dtype: string, tensorName: string): StoredDType {
  const stored = storedDType('dtype', dtype)
  if (stored !== undefined) return stored
  throw new SosError('ERR_DTYPE', `'${tensorName}': ${dtype} cannot be written; convert the tensor before`)
}

/** Bytes of an element of a dtype that is on the list; an untyped storage counts bytes. */
export function elementSize(dtype: string | null): number {
  return dtype === null ? 1 : storedDType('dtype', dtype)!.bytes
}
