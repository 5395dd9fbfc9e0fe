import { clipped } from '../../base/index.js'
import {
  InertObject,
  NumpyDType,
  PickledDType,
  PickledStorage,
  PickledTensor,
  PickleGlobal,
  type PickleValue,
} from './pickle-values.js'
import { storedDType } from './stored-dtype.js'

/**
 * The meaning of `module.name` in a pickle. The names on the list below, which are all that a file of weights needs, build data. Any other name
 * stands for itself, and a call of it gives an {@link InertObject}. None of them runs foreign code. A call with other arguments than in
 * Python throws an Error.
 *
 * @returns undefined for names whose purpose is to run programs
 */
export function pickleGlobal(module: string, name: string): PickledDType | PickleGlobal | undefined {
  const call = calls.get(`${renamed.get(module) ?? module}.${name}`)
  if (call !== undefined) return new PickleGlobal(`${module}.${name}`, call)
  if (module === 'torch.storage' && name === 'UntypedStorage') return new PickledDType(null)
  if (module === 'torch' || module === 'torch.cuda') {
    const found =
      storedDType('storage', quantised.get(name) ?? name) ??
      (module === 'torch' ? storedDType('dtype', name) : undefined)
    if (found !== undefined) return new PickledDType(found.dtype)
  }
  if (programs.has(module) || programs.has(`${renamed.get(module) ?? module}.${name}`)) return undefined
  return foreign(`${module}.${name}`)
}

/**
 * A class that is not known here. Its calls give objects with its name, except for a function that receives a class and makes an object of it,
 * such as copyreg's: then the object has the name of that class.
 */
function foreign(name: string): PickleGlobal {
  const call = ([first]: PickleValue[]): InertObject =>
    new InertObject(first instanceof PickleGlobal && first.foreign ? first.name : name)
  return new PickleGlobal(name, call, true)
}

/** Modules and functions that do not occur in checkpoints, only in programs that pretend to be one. */
const programs = new Set(
  `os posix nt subprocess sys runpy pty socket ctypes importlib webbrowser shutil pip pickle _pickle
  builtins.eval builtins.exec builtins.execfile builtins.compile builtins.open builtins.__import__ builtins.breakpoint`.split(
    /\s+/,
  ),
)

/** The storages of quantised tensors. They are not read, but the places of other storages depend on their sizes. */
const quantised = new Map([
  ['QInt8Storage', 'CharStorage'],
  ['QUInt8Storage', 'ByteStorage'],
  ['QInt32Storage', 'IntStorage'],
  ['QUInt4x2Storage', 'ByteStorage'],
  ['QUInt2x4Storage', 'ByteStorage'],
])

/** Modules under the names that they have in Python 2 and in other versions of NumPy. */
const renamed = new Map([
  ['__builtin__', 'builtins'],
  ['numpy._core.multiarray', 'numpy.core.multiarray'],
  ['torch.tensor', 'torch._tensor'],
])

const callees: Record<string, (args: PickleValue[]) => PickleValue> = {
  'collections.OrderedDict': ([pairs]) => toMap(pairs),
  'collections.Counter': ([counts]) => toMap(counts),
  'collections.defaultdict': ([, pairs]) => toMap(pairs),
  'collections.deque': ([items]) => [...toList(items ?? [])],
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
  'torch._tensor._rebuild_from_type_v2': ([rebuilds, type, args]) => {
    if (type instanceof PickleGlobal && type.foreign) return new InertObject(type.name)
    if (!(rebuilds instanceof PickleGlobal)) throw new Error('expected a function that rebuilds a tensor')
    const made = rebuilds.call(toList(args))
    return made instanceof InertObject ? made : toTensor(made)
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

/** A number, or two for a complex one. Texts, times and structures of NumPy stay objects. */
function numpyScalar(dtype: PickleValue | undefined, bytes: PickleValue | undefined): PickleValue {
  if (!(dtype instanceof NumpyDType)) throw new Error('expected a numpy scalar')
  const read = numpyNumbers[dtype.code]
  if (read === undefined) return new InertObject(`numpy.dtype(${JSON.stringify(clipped(dtype.code))})`)
  if (!(bytes instanceof Uint8Array)) throw new Error('expected a numpy scalar')
  return read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), dtype.littleEndian)
}

const numpyNumbers: Partial<Record<string, (view: DataView, little: boolean) => PickleValue>> = {
  __proto__: null as never,
  f8: (view, little) => view.getFloat64(0, little),
  f4: (view, little) => view.getFloat32(0, little),
  f2: (view, little) => float16(view.getUint16(0, little)),
  c16: (view, little) => [view.getFloat64(0, little), view.getFloat64(8, little)],
  c8: (view, little) => [view.getFloat32(0, little), view.getFloat32(4, little)],
  i8: (view, little) => view.getBigInt64(0, little),
  i4: (view, little) => view.getInt32(0, little),
  i2: (view, little) => view.getInt16(0, little),
  i1: (view) => view.getInt8(0),
  u8: (view, little) => view.getBigUint64(0, little),
  u4: (view, little) => view.getUint32(0, little),
  u2: (view, little) => view.getUint16(0, little),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
}

function float16(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
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
