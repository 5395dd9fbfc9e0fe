import { figure } from '../numbers.js'
import type { NamedSurface } from './document.js'

/** The levels of the loss that all figures of a page share. */
export interface Levels {
  /** The values between one band of colour and the next, ascending. */
  readonly thresholds: readonly number[]
  /** The smallest and the largest finite loss. */
  readonly low: number
  readonly high: number
  /** Where a loss stands between `low`, 0, and `high`, 1, on a logarithmic scale if `low` is above 0. */
  readonly height: (loss: number | null) => number
  /** The band of a loss, from 0. A loss that is not finite is in the highest. */
  readonly band: (loss: number | null) => number
  /** The colour of each band. */
  readonly colours: readonly string[]
  /** The name of each band, for the key. */
  readonly names: readonly string[]
}

/** How many thresholds are enough to see a shape. */
const enough = 5

/** Chooses thresholds with few digits, the finest that are not too many. */
export function levelsOf(surfaces: readonly NamedSurface[]): Levels {
  const [low, high] = extent(surfaces.flatMap(({ loss }) => loss.flat())) ?? [0, 1]
  const thresholds = thresholdsBetween(low, high)
  const last = thresholds.length
  const logarithmic = low > 0 && high > low
  return {
    thresholds,
    low,
    high,
    height: (loss) => {
      if (loss === null || high === low) return loss === null ? 1 : 0
      return logarithmic ? Math.log(loss / low) / Math.log(high / low) : (loss - low) / (high - low)
    },
    band: (loss) => {
      const above = loss === null ? -1 : thresholds.findIndex((threshold) => loss < threshold)
      return above === -1 ? last : above
    },
    colours: Array.from({ length: last + 1 }, (_, i) => colourOfBand(i, last)),
    names: Array.from({ length: last + 1 }, (_, i) => {
      if (last === 0) return figure(low)
      if (i === 0) return `below ${figure(thresholds[0]!)}`
      return i === last
        ? `${figure(thresholds.at(-1)!)} and more`
        : `${figure(thresholds[i - 1]!)} to ${figure(thresholds[i]!)}`
    }),
  }
}

/** The smallest and the largest number; null if there is none. There may be more of them than a call takes arguments. */
export function extent(losses: readonly (number | null)[]): [low: number, high: number] | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const loss of losses) {
    if (loss === null) continue
    low = Math.min(low, loss)
    high = Math.max(high, loss)
  }
  return low <= high ? [low, high] : null
}

function thresholdsBetween(low: number, high: number): number[] {
  if (!(high > low)) return []
  const inside = (value: number) => value > low && value < high
  if (low > 0) {
    for (const mantissas of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]]) {
      const found: number[] = []
      for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
        found.push(...mantissas.map((mantissa) => Number(`${mantissa}e${e}`)))
      }
      if (found.filter(inside).length >= enough) return found.filter(inside)
    }
  }
  const step = niceStep((high - low) / (enough + 2))
  const first = Math.ceil(low / step)
  const count = Math.floor(high / step) - first + 1
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12))).filter(inside)
}

/** The next larger of 1, 2 and 5 times a power of ten. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return ([1, 2, 5].find((mantissa) => mantissa * power >= least) ?? 10) * power
}

/** From the colour of the panel to that of sizes. */
const colourOfBand = (i: number, last: number): string =>
  `color-mix(in oklab, var(--size) ${last === 0 ? 40 : Math.round(8 + (80 * i) / last)}%, var(--panel))`
