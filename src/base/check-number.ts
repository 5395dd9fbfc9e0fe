import { SosError } from './errors.js'

/** Throws unless a value is the number that is needed. `name` is the name of the argument, for the message. */
export type NumberCheck = (name: string, value: unknown) => void

type NumberKeys<T> = { [K in keyof T]-?: NonNullable<T[K]> extends number ? K : never }[keyof T]

/** A check for each number among options of the type `T`. TypeScript reports a number without one. */
export type NumberChecks<T> = { readonly [K in NumberKeys<T>]: NumberCheck }

/**
 * Checks the numbers among the options of a call. Call it at the beginning of a function: a wrong number could make a loop endless. Options that
 * are undefined are not checked, since they get their defaults.
 *
 * @throws `ERR_INVALID_ARGUMENT`, or what a check throws
 */
export function checkNumbers<T extends object>(options: T, checks: Partial<NumberChecks<T>>): void {
  if (typeof options !== 'object' || options === null) refuse('an object', 'options', options)
  for (const [name, check] of Object.entries(checks) as [keyof T & string, NumberCheck][]) {
    if (options[name] !== undefined) check(name, options[name])
  }
}

/** A check for a whole number from `least` to `most`. */
export function whole(
  least: number,
  most = Number.MAX_SAFE_INTEGER,
  code = 'ERR_INVALID_ARGUMENT',
): NumberCheck {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  return (name, value) => {
    const fits = Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
    if (!fits) refuse(`a whole number ${range}`, name, value, code)
  }
}

/** Checks that a value is a number of things, for example of images: a whole number of at least 1. */
export const count = whole(1)
/** {@link count} for the size of a batch that is drawn; its code is `ERR_BATCH_SIZE`. */
export const batchCount = whole(1, Number.MAX_SAFE_INTEGER, 'ERR_BATCH_SIZE')
/** {@link count} for things that each take memory or time: more than a million are assumed to be a mistake. */
export const someCount = whole(1, 1_000_000)
/** Checks that a value is a whole number. */
export const wholeSeed: NumberCheck = (name, value) => {
  if (!Number.isSafeInteger(value)) refuse('a whole number between ±2^53', name, value)
}
/** Checks that a value is a finite number of at least 0. */
export const nonNegative = atLeast(0)
/** Checks that a value is a finite number. */
export const finite: NumberCheck = (name, value) => {
  if (!isFiniteNumber(value)) refuse('a finite number', name, value)
}
/** Checks that a value is a finite number above 0. */
export const positive: NumberCheck = (name, value) => {
  if (!(isFiniteNumber(value) && value > 0)) refuse('a finite number above 0', name, value)
}

/** A check for a finite number of at least `least`. */
export function atLeast(least: number): NumberCheck {
  return (name, value) => {
    if (!(isFiniteNumber(value) && value >= least))
      refuse(`a finite number of at least ${least}`, name, value)
  }
}

/** A check for a number from `least` up to, but not including, `below`. */
export function within(least: number, below: number): NumberCheck {
  return (name, value) => {
    const fits = typeof value === 'number' && value >= least && value < below
    if (!fits) refuse(`a number from ${least} to below ${below}`, name, value)
  }
}

/** A check for a number from `least` to `most`. */
export function between(least: number, most: number): NumberCheck {
  return (name, value) => {
    const fits = typeof value === 'number' && value >= least && value <= most
    if (!fits) refuse(`a number from ${least} to ${most}`, name, value)
  }
}

/** A value as messages show it: a primitive itself, anything else by its type. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value)
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function refuse(expected: string, name: string, value: unknown, code = 'ERR_INVALID_ARGUMENT'): never {
  throw new SosError(code, `expected ${expected} for ${name} but received ${shown(value)}`)
}
