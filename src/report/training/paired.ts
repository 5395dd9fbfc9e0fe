import { spreadOf } from '../../base/index.js'

/** Differences of pairs: their mean, and their standard deviation (n − 1), null of one pair. */
export interface Paired {
  readonly mean: number
  readonly sd: number | null
  /** n */
  readonly pairs: number
  /** Pairs whose difference is above and below zero. */
  readonly higher: number
  readonly lower: number
  /** The mean of what is compared with, over the same pairs. */
  readonly against: number
}

/** Of `of` over the seeds that are in both; null where none is, or where no pair tells it. */
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

/** Whether the mean is further from zero than the differences are from one another; one pair cannot tell. */
export const exceedsSpread = ({ mean, sd }: Paired): boolean => sd !== null && Math.abs(mean) > sd

/**
 * How often {@link exceedsSpread} holds by chance of n normal differences whose true mean is zero: P(|t| > √n) of Student's
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
