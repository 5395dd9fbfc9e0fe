import { SosError } from '../../base/index.js'
import { Generator, handleOfGenerator } from '../device/generator.js'
import type { ModuleHandle, NativeValue, ObjectHandle, TensorHandle } from '../native/handles.js'
import { Complex } from '../tensor/complex.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** By this method an object of this package gives its native side. */
export const toHandle = Symbol('native handle')

/** An object with a native side: a ScriptObject, or a ScriptModule, which is one. */
export interface NativeObject {
  /** @internal */
  [toHandle](): NativeValue
}

/** What operators and TorchScript methods take and return, nested as their schemas say. */
export type Value =
  | Tensor
  | Generator
  | NativeObject
  | number
  | bigint
  | boolean
  | Complex
  | string
  | null
  | undefined
  | readonly Value[]
  | Map<Value, Value>
  | { readonly [name: string]: Value }

/** A NamedTuple that a method returned: an array whose elements have the names of their fields too. */
export type NamedTuple<Fields extends Record<string, Value> = Record<string, Value>> = readonly Value[] &
  Readonly<Fields>

/** Deeper than any real argument, and far from the end of the native stack. */
const DEEPEST = 64

export function toNative(value: unknown, depth: unknown = 0): NativeValue {
  if (value instanceof Tensor) return handleOf(value)
  if (value === null || typeof value !== 'object') return value as NativeValue
  // Array.map passes an index where a depth is wanted: nested calls give it themselves.
  const level = typeof depth === 'number' ? depth : 0
  if (level > DEEPEST) {
    throw new SosError('ERR_INVALID_ARGUMENT', `expected values nested at most ${DEEPEST} deep`)
  }
  if (Array.isArray(value)) return value.map((element) => toNative(element, level + 1))
  if (value instanceof Complex) return Float64Array.of(value.re, value.im)
  if (value instanceof Generator) return handleOfGenerator(value)
  if (value instanceof Map) {
    return new Map(
      [...value].map(([key, element]) => [toNative(key, level + 1), toNative(element, level + 1)]),
    )
  }
  if (isOptions(value)) return toNativeRecord(value, level)
  if (toHandle in value) return (value as NativeObject)[toHandle]()
  if (ArrayBuffer.isView(value)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected a tensor or an array but received a typed array; use torch.tensor(values)',
    )
  }
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a tensor, number, string, boolean, array or plain object but received a ${value.constructor.name}`,
  )
}

export function toNativeRecord(record: object, depth = 0): Record<string, NativeValue> {
  const native: Record<string, NativeValue> = {}
  for (const [name, value] of Object.entries(record)) native[name] = toNative(value, depth + 1)
  return native
}

let wrapObject: (handle: ObjectHandle) => Value
let wrapModule: (handle: ModuleHandle) => Value

/** The classes of objects and modules, whose files import this one, say how they are made. */
export function setWrappers(object: typeof wrapObject, module: typeof wrapModule): void {
  wrapObject = object
  wrapModule = module
}

/** Lists and tuples come back as arrays, dicts as maps; every other native object is a tensor. */
export function fromNative(value: NativeValue): Value {
  if (value === null || typeof value !== 'object') return value
  // By far the most frequent. Externals are the only objects here that inherit from none.
  if ((value as object).constructor === undefined) return new Tensor(value as TensorHandle)
  if (Array.isArray(value)) return value.map(fromNative)
  if (value instanceof Map) {
    return new Map([...value].map(([key, element]) => [fromNative(key), fromNative(element)]))
  }
  if (value instanceof Float64Array) return new Complex(value[0]!, value[1]!)
  return fromMarked(value as Marked)
}

/** What native code marks by a plain object. */
type Marked =
  | { names: string[]; values: NativeValue[] }
  | { object: ObjectHandle; module?: undefined }
  | { module: ModuleHandle; object?: undefined }

function fromMarked(value: Marked): Value {
  if ('names' in value) {
    const tuple = value.values.map(fromNative)
    value.names.forEach((name, i) => {
      Object.defineProperty(tuple, name, { value: tuple[i], enumerable: false })
    })
    return tuple
  }
  return value.module === undefined ? wrapObject(value.object) : wrapModule(value.module)
}

/** Whether `value` is a plain object, as the keyword arguments at the end of a call. */
export function isOptions(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
