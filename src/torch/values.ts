import type { NativeValue, TensorHandle } from './binding.js'
import { SosError } from './errors.js'
import { Generator, handleOfGenerator } from './generator.js'
import { handleOf, Tensor } from './tensor.js'

/** What operators and TorchScript methods take and return, nested as their schemas say. */
export type Value =
  | Tensor
  | Generator
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined
  | readonly Value[]
  | Map<Value, Value>
  | { readonly [name: string]: Value }

export function toNative(value: unknown): NativeValue {
  if (value instanceof Tensor) return handleOf(value)
  if (value === null || typeof value !== 'object') return value as NativeValue
  if (Array.isArray(value)) return value.map(toNative)
  if (value instanceof Generator) return handleOfGenerator(value)
  if (value instanceof Map) return toNative(Object.fromEntries(value))
  if (isOptions(value)) return toNativeRecord(value)
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

export function toNativeRecord(record: object): Record<string, NativeValue> {
  const native: Record<string, NativeValue> = {}
  for (const [name, value] of Object.entries(record)) native[name] = toNative(value)
  return native
}

/** Lists and tuples come back as arrays, dicts as maps; every other native object is a tensor. */
export function fromNative(value: NativeValue): Value {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(fromNative)
  if (value instanceof Map) {
    return new Map([...value].map(([key, element]) => [fromNative(key), fromNative(element)]))
  }
  return new Tensor(value as TensorHandle)
}

/** Whether `value` is a plain object, as the keyword arguments at the end of a call. */
export function isOptions(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
