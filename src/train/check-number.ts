import { SosError } from '../torch/errors.js'

/** Throws `ERR_INVALID_ARGUMENT` for what is no finite number from 0. */
export function nonNegative(name: string, value: number): void {
  atLeast(0, name, value)
}

/** Throws `ERR_INVALID_ARGUMENT` for what is no finite number from `least`. */
export function atLeast(least: number, name: string, value: number): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a number of at least ${least} for ${name} but received ${value}`,
  )
}

/** Throws `ERR_INVALID_ARGUMENT` for what is no number from `least` up to, not including, `below`. */
export function within(least: number, below: number, name: string, value: number): void {
  if (typeof value === 'number' && value >= least && value < below) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a number from ${least} to below ${below} for ${name} but received ${value}`,
  )
}

/** Throws `ERR_INVALID_ARGUMENT` for what is no whole number from `least`. */
export function wholeFrom(least: number, name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a whole number of at least ${least} for ${name} but received ${value}`,
  )
}
