/** Numbers spread evenly from `from` to `to`; one number is halfway. */
export function evenly(count: number, from: number, to: number): number[] {
  const [middle, half] = [(from + to) / 2, (to - from) / 2]
  if (count === 1) return [middle]
  return Array.from({ length: count }, (_, i) => middle + half * ((2 * i) / (count - 1) - 1))
}

/** The places of a square grid around the centre. The centre is the first place, whether or not it is on the grid. */
export class Grid {
  /** The coordinates of the columns, and of the rows. */
  readonly axis: readonly number[]
  /** [x, y] of each place, the centre first. */
  readonly places: readonly (readonly [x: number, y: number])[]

  constructor(count: number, range: number) {
    this.axis = evenly(count, -range, range)
    const all = this.axis.flatMap((y) => this.axis.map((x) => [x, y] as const))
    const others = all.filter(([x, y]) => x !== 0 || y !== 0)
    this.places = [[0, 0], ...others]
  }

  /** Arranges a value of each place in rows, one for each y; the centre is left out if it is not on the grid. */
  rows<T>(values: readonly T[]): T[][] {
    let next = 1
    return this.axis.map((y) => this.axis.map((x) => values[x === 0 && y === 0 ? 0 : next++]!))
  }
}
