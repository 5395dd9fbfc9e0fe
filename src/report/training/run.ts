import { spreadOf } from '../../base/index.js'
import type { RunLine } from '../../train/index.js'

/** One run of a training: its scheme, as `sgd+sos`, its seed, and its record so far, which may still grow. */
export interface TrainingRun {
  readonly scheme: string
  readonly seed: number
  readonly lines: readonly RunLine[]
}

/** What a run has come to. Epochs are counted as those that are done. */
export interface RunResult {
  readonly scheme: string
  readonly seed: number
  /** Of the whole run; null where its record has not begun. */
  readonly epochs: number | null
  readonly epochsDone: number
  /** Whether all epochs are done. */
  readonly finished: boolean
  readonly test: TestResult | null
  /** Of the last epoch's training images, each before the step that took it: cross-entropy in nats, accuracy in per cent. */
  readonly train: { readonly loss: number; readonly accuracy: number } | null
  readonly probe: ProbeResult | null
  /** The median, since a resumed epoch tells only the part since. */
  readonly secondsAnEpoch: number | null
  readonly shifts: ShiftsResult | null
}

export interface TestResult {
  /** Of the last evaluation, in per cent: what the run comes to. */
  readonly top1: number
  /** Mean cross-entropy, in nats, of the last evaluation. */
  readonly loss: number
  /** After how many epochs the last evaluation was. */
  readonly epoch: number
  /** The highest of all evaluations: chosen by the test images, so higher than a fair estimate. */
  readonly bestTop1: number
  readonly bestEpoch: number
  readonly images: number
}

/** The last probe: what `run.jsonl` tells of it. */
export type ProbeResult = Omit<Extract<RunLine, { event: 'probe' }>, 'event'>

export interface ShiftsResult {
  readonly count: number
  /** Mean of ‖V*‖ / ‖V‖. */
  readonly normRatio: number
  /** Means over the shifts that were held against held-out images; null without any. */
  readonly drift: { readonly largest: number; readonly safe: number | null } | null
  /** Shifts whose batch had no image of some class. */
  readonly lackingClasses: number
  /** Shifts that came with a warning, and the first one. */
  readonly warned: number
  readonly warning: string | null
}

export function runResult({ scheme, seed, lines }: TrainingRun): RunResult {
  const of = <E extends RunLine['event']>(event: E) =>
    lines.filter((line): line is Extract<RunLine, { event: E }> => line.event === event)
  const epochs = of('run').at(-1)?.epochs ?? null
  const done = of('epoch')
  const last = done.at(-1)
  const probe = of('probe').at(-1)
  const epochsDone = last === undefined ? 0 : last.epoch + 1
  return {
    scheme,
    seed,
    epochs,
    epochsDone,
    finished: epochs !== null && epochsDone >= epochs,
    test: testResult(of('evaluation')),
    train: last === undefined ? null : { loss: last.loss, accuracy: last.accuracy },
    probe: probe === undefined ? null : probeResult(probe),
    secondsAnEpoch: done.length === 0 ? null : median(done.map(({ seconds }) => seconds)),
    shifts: shiftsResult(of('shift')),
  }
}

function testResult(evaluations: readonly Extract<RunLine, { event: 'evaluation' }>[]): TestResult | null {
  const last = evaluations.at(-1)
  if (last === undefined) return null
  const best = evaluations.reduce((best, one) => (one.top1 > best.top1 ? one : best))
  const { top1, loss, images } = last
  return { top1, loss, epoch: last.epoch + 1, bestTop1: best.top1, bestEpoch: best.epoch + 1, images }
}

function probeResult({ event, ...probe }: Extract<RunLine, { event: 'probe' }>): ProbeResult {
  return { ...probe, epoch: probe.epoch + 1 }
}

/** ‖V*‖ / ‖V‖; of a weight of zeros nothing is left out. */
export function normRatio({ normBefore, normAfter }: { normBefore: number; normAfter: number }): number {
  return normBefore === 0 ? 1 : normAfter / normBefore
}

function shiftsResult(shifts: readonly Extract<RunLine, { event: 'shift' }>[]): ShiftsResult | null {
  if (shifts.length === 0) return null
  const drifts = shifts.flatMap(({ drift }) => drift ?? [])
  const shares = drifts.flatMap(({ safe }) => safe ?? [])
  return {
    count: shifts.length,
    normRatio: mean(shifts.map(normRatio)),
    drift:
      drifts.length === 0
        ? null
        : {
            largest: mean(drifts.map(({ largest }) => largest)),
            safe: shares.length === 0 ? null : mean(shares),
          },
    lackingClasses: shifts.filter(({ classesCovered, classes }) => classesCovered < classes).length,
    warned: shifts.filter(({ warnings }) => warnings.length > 0).length,
    warning: shifts.flatMap(({ warnings }) => warnings)[0] ?? null,
  }
}

const mean = (values: readonly number[]): number => spreadOf(values).mean

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
