import { spreadOf } from '../../base/index.js'

/** The differences between paired runs: their mean and standard deviation. */
export interface Paired {
  readonly mean: number
  /** The standard deviation (n − 1); null if there is one pair. */
  readonly sd: number | null
  /** The number of pairs, n. */
  readonly pairs: number
  /** The number of pairs with a difference above zero. */
  readonly higher: number
  /** The number of pairs with a difference below zero. */
  readonly lower: number
  /** The mean of the runs that are compared with, over the same pairs. */
  readonly against: number
}

/** The differences of the quantity `of` over the seeds that both have; null if no pair has the quantity. */
export function pairedBySeed<T extends { readonly seed: number }>(
  items: readonly T[],
  against: readonly T[],
  of: (item: T) => number | null | undefined,
): Paired | null {
  const pairs = items.flatMap((item) => {
    const other = against.find(({ seed }) => seed === item.seed)
    const [value, base] = [of(item), other && of(other)]
    return value == null || base == null ? [] : [{ base, difference: value - base }]
  })
  if (pairs.length === 0) return null
  const differences = pairs.map(({ difference }) => difference)
  return {
    ...spreadOf(differences),
    pairs: pairs.length,
    higher: differences.filter((difference) => difference > 0).length,
    lower: differences.filter((difference) => difference < 0).length,
    against: spreadOf(pairs.map(({ base }) => base)).mean,
  }
}

/** Whether the mean difference is larger than the standard deviation of the differences; false for one pair. */
export const exceedsSpread = ({ mean, sd }: Paired): boolean => sd !== null && Math.abs(mean) > sd

/**
 * The probability that {@link exceedsSpread} holds by chance for n normal differences whose true mean is zero. It is P(|t| > √n) for Student's
 * distribution with ν = n − 1, by its finite series (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
 */
export function chanceOfExceeding(n: number): number {
  const freedom = n - 1
  const angle = Math.atan(Math.sqrt(n / freedom))
  const cosine = Math.cos(angle)
  const odd = freedom % 2 === 1
  let term = odd ? cosine : 1
  let sum = 0
  for (let k = odd ? 1 : 0; k <= freedom - 2; k += 2) {
    sum += term
    term *= ((k + 1) / (k + 2)) * cosine ** 2
  }
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum
  return 1 - within
}
