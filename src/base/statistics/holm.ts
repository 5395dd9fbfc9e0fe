/**
 * Holm's step-down correction for several tests: the i-th smallest of k p-values is multiplied by k − i + 1, limited to 1 and made monotone. Holm
 * 1979, "A simple sequentially rejective multiple test procedure".
 *
 * @param pValues the p-values of the tests
 * @returns the adjusted p-values, in the same order
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a]! - pValues[b]!)
  const adjusted = new Array<number>(pValues.length)
  let largest = 0
  order.forEach((at, i) => {
    largest = Math.max(largest, Math.min(1, pValues[at]! * (pValues.length - i)))
    adjusted[at] = largest
  })
  return adjusted
}
