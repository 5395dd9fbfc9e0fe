import { clipped } from '../errors.js'
import {
  NumpyDType,
  PickledDType,
  PickledStorage,
  PickledTensor,
  PickleGlobal,
  type PickleValue,
} from './pickle-values.js'
import { storedDType } from './stored-dtype.js'

/**
 * What `module.name` means in a pickle: undefined for whatever is not on this list, which is all that a file of weights
 * needs. Calls build data; none runs foreign code. A call with other arguments than Python's throws an Error.
 */
export function pickleGlobal(module: string, name: string): PickledDType | PickleGlobal | undefined {
  const call = calls.get(`${renamed.get(module) ?? module}.${name}`)
  if (call !== undefined) return new PickleGlobal(`${module}.${name}`, call)
  if (module === 'torch.storage' && name === 'UntypedStorage') return new PickledDType(null)
  if (module === 'torch' || module === 'torch.cuda') {
    const found =
      storedDType('storage', name) ?? (module === 'torch' ? storedDType('dtype', name) : undefined)
    if (found !== undefined) return new PickledDType(found.dtype)
  }
  return undefined
}

/** Modules under the names that Python 2 and older numpys gave them. */
const renamed = new Map([
  ['__builtin__', 'builtins'],
  ['numpy._core.multiarray', 'numpy.core.multiarray'],
  ['torch.tensor', 'torch._tensor'],
])

const callees: Record<string, (args: PickleValue[]) => PickleValue> = {
  'collections.OrderedDict': ([pairs]) => toMap(pairs),
  'collections.Counter': ([counts]) => toMap(counts),
  'builtins.set': ([items]) => new Set(items === undefined ? [] : toList(items)),
  'builtins.frozenset': ([items]) => new Set(items === undefined ? [] : toList(items)),
  'builtins.bytearray': ([bytes]) => (bytes instanceof Uint8Array ? bytes : new Uint8Array()),
  'builtins.complex': ([real, imaginary]) => [toNumber(real), toNumber(imaginary)],
  '_codecs.encode': ([text]) => toLatin1(toText(text)),
  'torch.Size': ([sizes]) => toList(sizes ?? []),
  'torch.device': ([kind, index]) =>
    index === undefined ? toText(kind) : `${toText(kind)}:${toNumber(index)}`,
  'torch.Tensor': notCalled,
  'torch.nn.parameter.Parameter': ([data]) => toTensor(data),
  'torch.serialization._get_layout': ([layout]) => toText(layout),
  'torch._utils._rebuild_tensor': ([storage, offset, shape, strides]) =>
    rebuild(storage, undefined, offset, shape, strides),
  'torch._utils._rebuild_tensor_v2': ([storage, offset, shape, strides, , , metadata]) =>
    rebuild(storage, undefined, offset, shape, strides, metadata),
  'torch._utils._rebuild_tensor_v3': ([storage, offset, shape, strides, , , dtype, metadata]) =>
    rebuild(storage, dtype, offset, shape, strides, metadata),
  'torch._utils._rebuild_parameter': ([data]) => toTensor(data),
  'torch._utils._rebuild_parameter_with_state': ([data]) => toTensor(data),
  'torch._tensor._rebuild_from_type_v2': ([rebuilds, , args]) => {
    if (!(rebuilds instanceof PickleGlobal)) throw new Error('expected a function that rebuilds a tensor')
    return toTensor(rebuilds.call(toList(args)))
  },
  'numpy.dtype': ([code]) => new NumpyDType(toText(code)),
  'numpy.core.multiarray.scalar': ([dtype, bytes]) => numpyScalar(dtype, bytes),
}
const calls = new Map(Object.entries(callees))

function rebuild(
  storage: PickleValue | undefined,
  dtype: PickleValue | undefined,
  offset: PickleValue | undefined,
  shape: PickleValue | undefined,
  strides: PickleValue | undefined,
  metadata: PickleValue | undefined = null,
): PickledTensor {
  if (!(storage instanceof PickledStorage)) throw new Error('expected a storage')
  const sizes = toList(shape).map(toInteger)
  const steps = toList(strides).map(toInteger)
  if (sizes.length > 64) throw new Error('expected at most 64 dimensions')
  const named = dtype instanceof PickledDType ? dtype.dtype : storage.dtype
  const flag = (name: string): boolean => metadata instanceof Map && metadata.get(name) === true
  return new PickledTensor(storage, named ?? 'uint8', toInteger(offset), sizes, steps, {
    conj: flag('conj'),
    neg: flag('neg'),
  })
}

function numpyScalar(dtype: PickleValue | undefined, bytes: PickleValue | undefined): PickleValue {
  if (!(dtype instanceof NumpyDType) || !(bytes instanceof Uint8Array))
    throw new Error('expected a numpy scalar')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = dtype.littleEndian
  switch (dtype.code) {
    case 'f8':
      return view.getFloat64(0, little)
    case 'f4':
      return view.getFloat32(0, little)
    case 'i8':
      return view.getBigInt64(0, little)
    case 'i4':
      return view.getInt32(0, little)
    case 'i2':
      return view.getInt16(0, little)
    case 'i1':
      return view.getInt8(0)
    case 'u8':
      return view.getBigUint64(0, little)
    case 'u4':
      return view.getUint32(0, little)
    case 'u2':
      return view.getUint16(0, little)
    case 'u1':
      return view.getUint8(0)
    case 'b1':
      return view.getUint8(0) !== 0
    default:
      throw new Error(`expected a numpy number but received a ${JSON.stringify(clipped(dtype.code))}`)
  }
}

function notCalled(): never {
  throw new Error('expected a type that is mentioned, not called')
}

function toMap(value: PickleValue | undefined): Map<PickleValue, PickleValue> {
  if (value === undefined) return new Map()
  if (value instanceof Map) return new Map(value)
  return new Map(
    toList(value).map((pair) => {
      const [key, element] = toList(pair)
      if (key === undefined || element === undefined) throw new Error('expected pairs')
      return [key, element]
    }),
  )
}

function toTensor(value: PickleValue | undefined): PickledTensor {
  if (value instanceof PickledTensor) return value
  throw new Error('expected a tensor')
}

function toList(value: PickleValue | undefined): PickleValue[] {
  if (Array.isArray(value)) return value
  throw new Error('expected a tuple or list')
}

function toInteger(value: PickleValue | undefined): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new Error('expected a size')
}

function toNumber(value: PickleValue | undefined): number {
  if (typeof value === 'number') return value
  throw new Error('expected a number')
}

function toLatin1(text: string): Uint8Array {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) throw new Error('expected a text of characters that are bytes')
  }
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

function toText(value: PickleValue | undefined): string {
  if (typeof value === 'string') return value
  throw new Error('expected a text')
}
