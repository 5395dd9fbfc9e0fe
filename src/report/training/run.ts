import { spreadOf } from '../../base/index.js'
import type { RunLine } from '../../train/index.js'

/** One run of a training. */
export interface TrainingRun {
  /** How it is trained, for example `sgd+sos`. */
  readonly scheme: string
  readonly seed: number
  /** The lines of its record so far, as `readRunRecord` reads them. */
  readonly lines: readonly RunLine[]
}

/** The result of a run so far. */
export interface RunResult {
  readonly scheme: string
  readonly seed: number
  /** The number of epochs of the whole run; null if the run has not begun. */
  readonly epochs: number | null
  readonly epochsDone: number
  /** Whether all epochs are done. */
  readonly finished: boolean
  /** Null before the first evaluation. */
  readonly test: TestResult | null
  /** The last epoch's training images, each before the step that used it: mean cross-entropy in nats, accuracy in per cent. Null before the first epoch. */
  readonly train: { readonly loss: number; readonly accuracy: number } | null
  /** The last probe; null before it. */
  readonly probe: ProbeResult | null
  /** The median over the epochs, because a resumed epoch records only its second part; null before the first epoch. */
  readonly secondsAnEpoch: number | null
  /** Null if there was no shift. */
  readonly shifts: ShiftsResult | null
}

/** The evaluations of a run on its test images. */
export interface TestResult {
  /** Top-1 accuracy of the last evaluation, in per cent. */
  readonly top1: number
  /** Mean cross-entropy of the last evaluation, in nats. */
  readonly loss: number
  /** The number of epochs before the last evaluation. */
  readonly epoch: number
  /** The highest accuracy of all evaluations. The test images chose it, so it is higher than a fair estimate. */
  readonly bestTop1: number
  readonly bestEpoch: number
  readonly images: number
}

/** The last probe, as `run.jsonl` records it, with the number of epochs that were done. */
export type ProbeResult = Omit<Extract<RunLine, { event: 'probe' }>, 'event'>

/** The shifts of a run. */
export interface ShiftsResult {
  readonly count: number
  /** The mean of ‖V*‖ / ‖V‖. */
  readonly normRatio: number
  /** Means over the shifts that were measured on held-out images: the largest change of a logit, and the share of images that keep their class. Null if there is none. */
  readonly drift: { readonly largest: number; readonly safe: number | null } | null
  /** The number of shifts whose batch had no image of some class. */
  readonly lackingClasses: number
  /** The number of shifts with a warning, and the first warning. */
  readonly warned: number
  readonly warning: string | null
}

/** The result of a run so far. */
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

/** ‖V*‖ / ‖V‖, or 1 if V is zero. */
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
