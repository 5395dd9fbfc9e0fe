import { refuseArgument } from '../check-argument.js'
import { SosError } from '../errors.js'

/** How two classifiers differ on the same images. */
export interface McNemar {
  /** Images that only the first classifies rightly. */
  readonly onlyFirst: number
  /** Images that only the second classifies rightly. */
  readonly onlySecond: number
  /** Probability of counts at least as unequal where both err equally often. */
  readonly pValue: number
}

/**
 * McNemar's test of two classifiers on the same images, exact: of the n discordant images each is as likely the one's as
 * the other's, so the smaller count is Binomial(n, ½), and p = min(1, 2·P(X ≤ min(b, c))).
 *
 * McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; as Dietterich 1998,
 * "Approximate statistical tests for comparing supervised classification learning algorithms", section 3.1, without his
 * approximation by χ².
 *
 * @param correctFirst for each image 1 where the first is right, else 0
 * @param correctSecond the same of the second, for the same images in the same order
 * @throws `ERR_INVALID_ARGUMENT` where they are not equally long
 */
export function mcnemar(correctFirst: Uint8Array, correctSecond: Uint8Array): McNemar {
  for (const [name, flags] of Object.entries({ correctFirst, correctSecond })) {
    if (!Array.isArray(flags) && !ArrayBuffer.isView(flags)) refuseArgument('a list of flags', name, flags)
  }
  if (correctFirst.length !== correctSecond.length) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected both models' results on the same images but received ${correctFirst.length} and ${correctSecond.length} of them`,
    )
  }
  let onlyFirst = 0
  let onlySecond = 0
  for (let i = 0; i < correctFirst.length; i++) {
    if (correctFirst[i]! > correctSecond[i]!) onlyFirst++
    if (correctFirst[i]! < correctSecond[i]!) onlySecond++
  }
  const tail = lowerTail(onlyFirst + onlySecond, Math.min(onlyFirst, onlySecond))
  return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * tail) }
}

/** P(X ≤ k) for X ~ Binomial(n, ½) and k ≤ n/2. */
function lowerTail(n: number, k: number): number {
  // C(n, k) / 2ⁿ factor by factor: halved as soon as it is above 1, it stays within the range of doubles.
  let term = 1
  let halvings = n
  for (let i = 1; i <= k; i++) {
    term *= (n - k + i) / i
    for (; term > 1 && halvings > 0; halvings--) term /= 2
  }
  term *= 2 ** -halvings
  let sum = 0
  for (let i = k; i >= 0 && term > sum * Number.EPSILON * 1e-3; i--) {
    sum += term
    term *= i / (n - i + 1)
  }
  return sum
}
