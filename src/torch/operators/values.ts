import { SosError } from '../../base/index.js'
import { Generator, handleOfGenerator } from '../device/generator.js'
import type { ModuleHandle, NativeValue, ObjectHandle, TensorHandle } from '../native/handles.js'
import { Complex } from '../tensor/complex.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** The method by which an object of this package returns its native object. */
export const toHandle = Symbol('native handle')

/** An object of this package that native code knows: a ScriptObject or a ScriptModule. */
export interface NativeObject {
  /** @internal */
  [toHandle](): NativeValue
}

/** The values that operators and TorchScript methods take and return, nested as their schemas say. */
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

/** A NamedTuple that a method returned: an array whose elements are also available under the names of their fields. */
export type NamedTuple<Fields extends Record<string, Value> = Record<string, Value>> = readonly Value[] &
  Readonly<Fields>

/** Real arguments are less deep, and the native stack is far from its end. */
const DEEPEST = 64

/** Converts a value for native code. */
export function toNative(value: unknown, depth: unknown = 0): NativeValue {
  if (value instanceof Tensor) return handleOf(value)
  if (value === null || typeof value !== 'object') return value as NativeValue
  // A caller may pass this function to Array.map, which passes an index as the second argument.
  const level = typeof depth === 'number' ? depth : 0
  if (level > DEEPEST) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected values that are nested at most ${DEEPEST} deep but these are nested deeper`,
    )
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

/** Converts the values of a plain object for native code. */
export function toNativeRecord(record: object, depth = 0): Record<string, NativeValue> {
  const native: Record<string, NativeValue> = {}
  for (const [name, value] of Object.entries(record)) native[name] = toNative(value, depth + 1)
  return native
}

let wrapObject: (handle: ObjectHandle) => Value
let wrapModule: (handle: ModuleHandle) => Value

/** Registers how objects and modules are made. Their files import this one, so that it cannot import them. */
export function setWrappers(object: typeof wrapObject, module: typeof wrapModule): void {
  wrapObject = object
  wrapModule = module
}

/** Converts a value from native code: lists and tuples become arrays, dicts become Maps. */
export function fromNative(value: NativeValue): Value {
  if (value === null || typeof value !== 'object') return value
  // Tensors are by far the most frequent. Their handles are the only objects here without a prototype.
  if ((value as object).constructor === undefined) return new Tensor(value as TensorHandle)
  if (Array.isArray(value)) return value.map(fromNative)
  if (value instanceof Map) {
    return new Map([...value].map(([key, element]) => [fromNative(key), fromNative(element)]))
  }
  if (value instanceof Float64Array) return new Complex(value[0]!, value[1]!)
  return fromMarked(value as MarkedValue)
}

/** The plain objects by which native code marks named tuples, objects and modules. */
type MarkedValue =
  | { names: string[]; values: NativeValue[] }
  | { object: ObjectHandle; module?: undefined }
  | { module: ModuleHandle; object?: undefined }

function fromMarked(value: MarkedValue): Value {
  if ('names' in value) {
    const tuple = value.values.map(fromNative)
    value.names.forEach((name, i) => {
      Object.defineProperty(tuple, name, { value: tuple[i], enumerable: false })
    })
    return tuple
  }
  return value.module === undefined ? wrapObject(value.object) : wrapModule(value.module)
}

/** Whether a value is a plain object, such as the keyword arguments at the end of a call. */
export function isOptions(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
