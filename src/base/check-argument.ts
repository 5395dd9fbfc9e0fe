import { shown } from './check-number.js'
import { SosError } from './errors.js'

/** Throws the `ERR_INVALID_ARGUMENT` for an argument of a wrong type. */
export function refuseArgument(expected: string, name: string, value: unknown): never {
  throw new SosError('ERR_INVALID_ARGUMENT', `expected ${expected} for ${name} but received ${shown(value)}`)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is an array. */
export function expectList(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuseArgument('an array', name, value)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a string. */
export function expectText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') refuseArgument('a string', name, value)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a function. */
export function expectFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') refuseArgument('a function', name, value)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a Map. */
export function expectMap(name: string, value: unknown): void {
  if (!(value instanceof Map)) refuseArgument('a Map', name, value)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is an object that is not an array. */
export function expectObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuseArgument('an object', name, value)
}
