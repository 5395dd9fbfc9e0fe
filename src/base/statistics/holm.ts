/**
 * Holm's step-down correction: the i-th smallest of k p-values times k − i + 1, made monotone. Holm 1979, "A simple
 * sequentially rejective multiple test procedure".
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
