import { shown } from './check-number.js'
import { SosError } from './errors.js'

/** Throws `ERR_INVALID_ARGUMENT` for an argument of another kind than is needed. */
export function refuseArgument(expected: string, name: string, value: unknown): never {
  throw new SosError('ERR_INVALID_ARGUMENT', `expected ${expected} for ${name} but received ${shown(value)}`)
}

export function expectList(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuseArgument('an array', name, value)
}

export function expectText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') refuseArgument('a text', name, value)
}

export function expectFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') refuseArgument('a function', name, value)
}

export function expectMap(name: string, value: unknown): void {
  if (!(value instanceof Map)) refuseArgument('a Map', name, value)
}

/** Of what holds named options, or other fields. */
export function expectObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuseArgument('an object', name, value)
}
