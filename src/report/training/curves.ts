import { spreadOf } from '../../base/index.js'
import type { RunLine } from '../../train/index.js'
import { colourOf, type Entry } from '../framed.js'
import { runResult, type TrainingRun } from './run.js'

/** A value of a run after so many epochs. */
export interface CurvePoint {
  readonly epoch: number
  readonly value: number
}

/** One quantity of a scheme by epoch; `name` is the scheme. */
export interface Curve extends Entry {
  readonly name: string
  /** A line for each run that tells the quantity. */
  readonly runs: readonly { readonly seed: number; readonly points: readonly CurvePoint[] }[]
  /** Over the finished runs, or over all while there are none: where each of them has a value. */
  readonly means: readonly (CurvePoint & { readonly sd: number | null })[]
  /** How many runs the means are of. */
  readonly counted: number
}

/**
 * The curves of all schemes that tell a quantity, in the order in which they come and each with its own colour; dashed where
 * another scheme adds shifts to it.
 *
 * @param of what a line tells of it; several at one epoch are averaged, and what is not finite is left out
 */
export function curvesOf(
  runs: readonly TrainingRun[],
  of: (line: RunLine) => CurvePoint | null | undefined,
): Curve[] {
  const schemes = [...new Set(runs.map(({ scheme }) => scheme))]
  return schemes.flatMap((name, i) => {
    const told = runs
      .filter(({ scheme }) => scheme === name)
      .map((run) => ({
        seed: run.seed,
        finished: runResult(run).finished,
        points: byEpoch(run.lines.flatMap((line) => of(line) ?? [])),
      }))
      .filter(({ points }) => points.length > 0)
    if (told.length === 0) return []
    const finished = told.filter((run) => run.finished)
    const counted = finished.length > 0 ? finished : told
    return [
      {
        name,
        colour: colourOf(i),
        control: schemes.includes(`${name}+sos`),
        runs: told.map(({ seed, points }) => ({ seed, points })),
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
