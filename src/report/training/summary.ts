import { SosError, type Spread, spreadOf } from '../../base/index.js'
import { type Paired, pairedBySeed } from './paired.js'
import { type RunResult, runResult, type TrainingRun } from './run.js'

/**
 * The finished runs of a scheme together. Each number is a mean and the standard deviation over the seeds (n − 1) of those runs
 * that tell it; null where none does.
 */
export interface SchemeSummary {
  readonly scheme: string
  readonly runs: number
  readonly finished: number
  /** Top-1 of the test images in per cent, after the last epoch. */
  readonly top1: Spread | null
  /** The highest of each run, which the test images chose. */
  readonly bestTop1: Spread | null
  readonly testLoss: Spread | null
  readonly trainLoss: Spread | null
  readonly trainAccuracy: Spread | null
  /** ‖V‖, tr(H) and neural collapse, of the last probe. */
  readonly weightNorm: Spread | null
  readonly trace: Spread | null
  readonly nc1: Spread | null
  readonly nc2: Spread | null
  readonly nc3: Spread | null
  readonly nc4: Spread | null
  readonly secondsAnEpoch: Spread | null
  readonly shifts: Spread | null
  /** ‖V*‖ / ‖V‖, the mean over the shifts of a run. */
  readonly normRatio: Spread | null
  /** The largest change of a held-out logit, and the share of images that keep their class by it; means over a run's shifts. */
  readonly driftLargest: Spread | null
  readonly driftSafe: Spread | null
}

/** `X+sos` against `X`, over the seeds of which both have a finished run. */
export interface SchemeDifference {
  readonly scheme: string
  readonly against: string
  readonly top1: Paired | null
  readonly testLoss: Paired | null
  readonly weightNorm: Paired | null
  readonly trace: Paired | null
}

export interface TrainingSummary {
  readonly version: 1
  readonly runs: readonly RunResult[]
  readonly schemes: readonly SchemeSummary[]
  readonly differences: readonly SchemeDifference[]
}

/** Quantities of which a scheme has a spread and two schemes a difference. */
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
 * What the runs of a training come to, schemes in the order in which they come. Runs that are not finished are told of, but
 * count in no mean and no difference: epochs in the middle of a schedule are not to be compared with its end.
 *
 * @throws `ERR_INVALID_ARGUMENT` where two runs have the same scheme and seed
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

/** `sgd` of `sgd+sos`; null of a scheme without shifts. */
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

/** The differences of two sets of runs, paired by their seeds. */
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
