import { SosError, type Spread, spreadOf } from '../../base/index.js'
import { type Paired, pairedBySeed } from './paired.js'
import { type RunResult, runResult, type TrainingRun } from './run.js'

/**
 * The finished runs of a scheme together. Each spread is the mean and the standard deviation (n − 1) over the seeds of the runs that
 * recorded the quantity; null if none did.
 */
export interface SchemeSummary {
  readonly scheme: string
  /** The number of runs. */
  readonly runs: number
  /** The number of finished runs. */
  readonly finished: number
  /** Top-1 accuracy of the test images after the last epoch, in per cent. */
  readonly top1: Spread | null
  /** The highest accuracy of each run, in per cent. The test images chose the epoch. */
  readonly bestTop1: Spread | null
  readonly testLoss: Spread | null
  readonly trainLoss: Spread | null
  readonly trainAccuracy: Spread | null
  /** ‖V‖ in the last probe; tr(H) and NC1 to NC4 below are of the last probe too. */
  readonly weightNorm: Spread | null
  readonly trace: Spread | null
  readonly nc1: Spread | null
  readonly nc2: Spread | null
  readonly nc3: Spread | null
  readonly nc4: Spread | null
  readonly secondsAnEpoch: Spread | null
  readonly shifts: Spread | null
  /** ‖V*‖ / ‖V‖, averaged over the shifts of a run. */
  readonly normRatio: Spread | null
  /** The largest change of a held-out logit, averaged over the shifts of a run. `driftSafe` is the share of images whose class that change cannot alter. */
  readonly driftLargest: Spread | null
  readonly driftSafe: Spread | null
}

/** The scheme `X+sos` compared with `X`, over the seeds for which both have a finished run. A quantity is null if no pair recorded it. */
export interface SchemeDifference {
  readonly scheme: string
  readonly against: string
  readonly top1: Paired | null
  readonly testLoss: Paired | null
  readonly weightNorm: Paired | null
  readonly trace: Paired | null
}

/** What {@link summariseTraining} makes of the runs. */
export interface TrainingSummary {
  readonly version: 1
  readonly runs: readonly RunResult[]
  readonly schemes: readonly SchemeSummary[]
  readonly differences: readonly SchemeDifference[]
}

/** The quantities of a run that are averaged over the runs of a scheme. */
const quantities = {
  top1: ({ test }: RunResult) => test?.top1,
  bestTop1: ({ test }: RunResult) => test?.bestTop1,
  testLoss: ({ test }: RunResult) => test?.loss,
  trainLoss: ({ train }: RunResult) => train?.loss,
  trainAccuracy: ({ train }: RunResult) => train?.accuracy,
  weightNorm: ({ probe }: RunResult) => probe?.weightNorm,
  trace: ({ probe }: RunResult) => probe?.trace?.trace,
  nc1: ({ probe }: RunResult) => probe?.collapse?.nc1,
  nc2: ({ probe }: RunResult) => probe?.collapse?.nc2,
  nc3: ({ probe }: RunResult) => probe?.collapse?.nc3,
  nc4: ({ probe }: RunResult) => probe?.collapse?.nc4,
  secondsAnEpoch: ({ secondsAnEpoch }: RunResult) => secondsAnEpoch,
  shifts: ({ shifts }: RunResult) => shifts?.count,
  normRatio: ({ shifts }: RunResult) => shifts?.normRatio,
  driftLargest: ({ shifts }: RunResult) => shifts?.drift?.largest,
  driftSafe: ({ shifts }: RunResult) => shifts?.drift?.safe,
}
type Quantity = keyof typeof quantities

/**
 * Summarises the runs of a training: each run, each scheme, and the differences that shifts make. Unfinished runs are listed, but they count in no mean and no
 * difference, because epochs in the middle of a schedule cannot be compared with its end.
 *
 * @param runs finished or unfinished runs, in the order in which the schemes are shown
 * @returns plain data, with the schemes in the order in which they first appear
 * @throws `ERR_INVALID_ARGUMENT` if two runs have the same scheme and seed
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * console.log(summariseTraining(runs).schemes[0]?.top1?.mean) // → 83.34
 */
export function summariseTraining(runs: readonly TrainingRun[]): TrainingSummary {
  const results = runs.map(runResult)
  checkDistinct(results)
  const schemes = [...new Set(results.map(({ scheme }) => scheme))]
  const finishedOf = (scheme: string) => results.filter((run) => run.scheme === scheme && run.finished)
  return {
    version: 1,
    runs: results,
    schemes: schemes.map((scheme) =>
      schemeSummary(scheme, results.filter((run) => run.scheme === scheme).length, finishedOf(scheme)),
    ),
    differences: schemes.flatMap((scheme) => {
      const against = withoutSos(scheme)
      if (against === null || !schemes.includes(against)) return []
      return [{ scheme, against, ...differencesOf(finishedOf(scheme), finishedOf(against)) }]
    }),
  }
}

/** `sgd` for `sgd+sos`; null for a scheme without shifts. */
const withoutSos = (scheme: string): string | null =>
  scheme.endsWith('+sos') ? scheme.slice(0, -'+sos'.length) : null

function schemeSummary(scheme: string, runs: number, finished: readonly RunResult[]): SchemeSummary {
  const spreads = Object.entries(quantities).map(([name, of]) => {
    const values = finished.flatMap((run) => of(run) ?? [])
    return [name, values.length === 0 ? null : spreadOf(values)]
  })
  return {
    scheme,
    runs,
    finished: finished.length,
    ...(Object.fromEntries(spreads) as Record<Quantity, Spread | null>),
  }
}

/** The differences between two sets of runs, paired by their seeds. */
export function differencesOf(runs: readonly RunResult[], against: readonly RunResult[]) {
  const of = (quantity: Quantity) => pairedBySeed(runs, against, quantities[quantity])
  return {
    top1: of('top1'),
    testLoss: of('testLoss'),
    weightNorm: of('weightNorm'),
    trace: of('trace'),
  }
}

function checkDistinct(runs: readonly RunResult[]): void {
  const seen = new Set<string>()
  for (const { scheme, seed } of runs) {
    const key = `${scheme}, seed ${seed}`
    if (seen.has(key)) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        `runs: expected one run of each scheme and seed but received two of ${key}; give each run its own seed`,
      )
    }
    seen.add(key)
  }
}
