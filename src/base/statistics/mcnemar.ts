import { refuseArgument } from '../check-argument.js'
import { SosError } from '../errors.js'

/** The result of {@link mcnemar}: how two classifiers differ on the same images. */
export interface McNemar {
  /** The number of images that only the first classifies correctly. */
  readonly onlyFirst: number
  /** The number of images that only the second classifies correctly. */
  readonly onlySecond: number
  /** The probability of counts that are at least as unequal if both classifiers err equally often. */
  readonly pValue: number
}

/**
 * McNemar's exact test: whether two classifiers err equally often on the same images.
 *
 * Only the n images count that exactly one of them classifies correctly, b of them the first and c the second. If both err equally often, each
 * of these images belongs to either count with probability ½, so that the counts are Binomial(n, ½) and p = min(1, 2·P(X ≤ min(b, c))).
 *
 * McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; as Dietterich 1998,
 * "Approximate statistical tests for comparing supervised classification learning algorithms", section 3.1, without his
 * approximation by χ².
 *
 * @param correctFirst for each image, 1 if the first classifier is correct, otherwise 0
 * @param correctSecond the same for the second classifier, with the images in the same order
 * @returns both counts and the p-value
 * @throws `ERR_INVALID_ARGUMENT` when the lists are not equally long
 * @example
 * const { onlyFirst, onlySecond, pValue } = mcnemar(Uint8Array.of(1, 1, 1, 0), Uint8Array.of(1, 0, 0, 0))
 * console.log(onlyFirst, onlySecond, pValue)
 * // → 2 0 0.5
 */
export function mcnemar(correctFirst: Uint8Array, correctSecond: Uint8Array): McNemar {
  for (const [name, flags] of Object.entries({ correctFirst, correctSecond })) {
    if (!Array.isArray(flags) && !ArrayBuffer.isView(flags)) refuseArgument('a list of flags', name, flags)
  }
  if (correctFirst.length !== correctSecond.length) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected results of both models for the same images but received ${correctFirst.length} and ${correctSecond.length} results`,
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
  // Computes C(n, k) / 2ⁿ factor by factor. It is halved as soon as it is above 1, so that it stays within the range of doubles.
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
