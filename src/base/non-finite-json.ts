import { z } from 'zod'

/** Whether a value is a number that JSON cannot hold: NaN or an infinity. */
export function isNonFinite(value: unknown): value is number {
  return typeof value === 'number' && !Number.isFinite(value)
}

/** A replacer for `JSON.stringify` that writes NaN and infinities as the texts 'NaN', 'Infinity' and '-Infinity'. */
export function nonFiniteAsText(_key: string, value: unknown): unknown {
  return isNonFinite(value) ? String(value) : value
}

/**
 * The schema of a number that was written with {@link nonFiniteAsText}.
 *
 * @param finite the schema of the finite numbers that are accepted
 * @param texts which numbers that are not finite are accepted. Default: all three.
 */
export function numberOrText(
  finite: z.ZodNumber,
  texts: readonly ('NaN' | 'Infinity' | '-Infinity')[] = ['NaN', 'Infinity', '-Infinity'],
) {
  // Not `z.enum`: TypeScript 5.9 to 7 write its key '-Infinity' into declarations without quotes, which is no valid type.
  return z.union([finite, z.literal(texts).transform(Number)])
}
