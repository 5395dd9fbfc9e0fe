/** The mean and the standard deviation of some values. */
export interface Spread {
  /** The mean. */
  readonly mean: number
  /** The standard deviation of the sample (divided by n − 1); null for one value. */
  readonly sd: number | null
}

/**
 * The mean and the standard deviation of the sample (divided by n − 1).
 *
 * @param values at least one
 */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  if (values.length < 2) return { mean, sd: null }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, sd: Math.sqrt(squares / (values.length - 1)) }
}

/** The mean of at least two values, and its standard error: the standard deviation of the sample divided by √n. */
export function meanWithError(values: readonly number[]): { mean: number; standardError: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1)
  return { mean, standardError: Math.sqrt(variance / values.length) }
}
