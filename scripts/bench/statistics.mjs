/** A quantile of some numbers, interpolated linearly between the nearest two, as numpy does by default. */
export function quantile(samples, fraction) {
  if (samples.length === 0) throw new RangeError('expected at least one sample')
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (sorted.length - 1) * fraction
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (at - below) * (sorted[above] - sorted[below])
}

export const median = (samples) => quantile(samples, 0.5)

/**
 * Sums up the rounds: the medians of both sides, and their ratio (above 1 ours is faster). The quartiles are those of the ratios of
 * single rounds. They show the noise, since the two samples of a round are taken one directly after the other.
 *
 * @param {{ reference: number[], ours: number[] }} seconds for one iteration, a sample for each round
 */
export function compare({ reference, ours }) {
  if (reference.length !== ours.length) throw new RangeError('expected as many samples of both sides')
  const ratios = reference.map((seconds, round) => seconds / ours[round])
  return {
    reference: median(reference),
    ours: median(ours),
    ratio: median(reference) / median(ours),
    ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  }
}

/** The norm of the difference of two lists, relative to the norm of the first. */
export function relativeDifference(expected, given) {
  if (expected.length !== given.length) return Number.POSITIVE_INFINITY
  let square = 0
  let norm = 0
  for (let i = 0; i < expected.length; i++) {
    square += (expected[i] - given[i]) ** 2
    norm += expected[i] ** 2
  }
  return norm === 0 ? Math.sqrt(square) : Math.sqrt(square / norm)
}

/**
 * A row that is compared with a bound: ratio = bound / ours. A value below `floor` counts as `floor`, so that a growth of zero or
 * less does not make the ratio infinite or negative.
 */
export function bounded({ bound, ours, floor }) {
  return { reference: bound, ours, ratio: bound / Math.max(ours, floor), pass: ours < bound }
}

/**
 * Sums up the resident memory of a run, in megabytes, from samples in bytes that are spread evenly over the run. The first
 * twentieth is warm-up. `early` is the median of the first quarter of the rest, and `growth` is how far the end is above it.
 */
export function memoryCourse(samples) {
  const megabytes = samples.slice(Math.floor(samples.length / 20)).map((bytes) => bytes / 2 ** 20)
  const early = median(megabytes.slice(0, Math.max(1, Math.floor(megabytes.length / 4))))
  const final = megabytes[megabytes.length - 1]
  return { early, final, growth: final - early, peak: samples.reduce((a, b) => Math.max(a, b), 0) / 2 ** 20 }
}
