import { spreadOf } from '../../base/index.js'
import type { RunLine } from '../../train/index.js'
import { colourOf, type Entry } from '../framed.js'
import { runResult, type TrainingRun } from './run.js'

/** A value of a run after a number of epochs. */
export interface CurvePoint {
  /** The number of epochs that were done. */
  readonly epoch: number
  readonly value: number
}

/** One quantity of a scheme by epoch. The name is that of the scheme. */
export interface Curve extends Entry {
  readonly name: string
  /** A line for each run that recorded the quantity. */
  readonly runs: readonly { readonly seed: number; readonly points: readonly CurvePoint[] }[]
  /** The means over the finished runs (over all runs if none is finished), at the epochs at which each of them has a value. */
  readonly means: readonly (CurvePoint & { readonly sd: number | null })[]
  /** The number of runs in the means. */
  readonly counted: number
}

/**
 * The curves of all schemes that recorded a quantity, in the order of the schemes, each with its own colour. The curve of a scheme is dashed if
 * another scheme adds shifts to it.
 *
 * @param of the quantity in a line of a run's record, if the line has it. Several values at one epoch are averaged; NaN and infinities are left out
 */
export function curvesOf(
  runs: readonly TrainingRun[],
  of: (line: RunLine) => CurvePoint | null | undefined,
): Curve[] {
  const schemes = [...new Set(runs.map(({ scheme }) => scheme))]
  return schemes.flatMap((name, i) => {
    const recorded = runs
      .filter(({ scheme }) => scheme === name)
      .map((run) => ({
        seed: run.seed,
        finished: runResult(run).finished,
        points: byEpoch(run.lines.flatMap((line) => of(line) ?? [])),
      }))
      .filter(({ points }) => points.length > 0)
    if (recorded.length === 0) return []
    const finished = recorded.filter((run) => run.finished)
    const counted = finished.length > 0 ? finished : recorded
    return [
      {
        name,
        colour: colourOf(i),
        control: schemes.includes(`${name}+sos`),
        runs: recorded.map(({ seed, points }) => ({ seed, points })),
        means: meansOf(counted.map(({ points }) => points)),
        counted: counted.length,
      },
    ]
  })
}

function byEpoch(points: readonly CurvePoint[]): CurvePoint[] {
  const values = new Map<number, number[]>()
  for (const { epoch, value } of points) {
    if (!Number.isFinite(value)) continue
    const there = values.get(epoch)
    if (there === undefined) values.set(epoch, [value])
    else there.push(value)
  }
  return [...values].map(([epoch, all]) => ({ epoch, value: spreadOf(all).mean }))
}

function meansOf(runs: readonly (readonly CurvePoint[])[]): Curve['means'] {
  const values = new Map<number, number[]>()
  for (const { epoch, value } of runs.flat()) values.set(epoch, [...(values.get(epoch) ?? []), value])
  return [...values]
    .filter(([, all]) => all.length === runs.length)
    .map(([epoch, all]) => {
      const { mean, sd } = spreadOf(all)
      return { epoch, value: mean, sd }
    })
    .sort((a, b) => a.epoch - b.epoch)
}
