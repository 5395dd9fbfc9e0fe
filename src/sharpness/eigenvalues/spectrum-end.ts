/** Which end of the spectrum is wanted: the largest values, the smallest, both ends, or those of the largest magnitude. */
export type SpectrumEnd = 'largest' | 'smallest' | 'both' | 'magnitude'

/**
 * The places of the wanted values in an ascending list, in the order in which they are reported: the largest first, for `smallest` the
 * smallest first, for `magnitude` that of the largest magnitude first. For `both` they are `count` of each end, the largest first.
 */
export function wantedPlaces(values: readonly number[], count: number, end: SpectrumEnd): number[] {
  const places = values.map((_, i) => i)
  if (end === 'smallest') return places.slice(0, count)
  const descending = places.toReversed()
  if (end === 'largest') return descending.slice(0, count)
  if (end === 'magnitude')
    return descending.sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!)).slice(0, count)
  const kept = new Set([...descending.slice(0, count), ...places.slice(0, count)])
  return descending.filter((place) => kept.has(place))
}
