import {
  figure,
  figureSpread,
  fixed,
  share,
  signedFigures,
  signedSpread,
  spread,
  wholeSpread,
} from '../numbers.js'
import { type Column, type Table, table } from '../table.js'
import type { RunResult, TrainingRun } from './run.js'
import {
  type SchemeDifference,
  type SchemeSummary,
  summariseTraining,
  type TrainingSummary,
} from './summary.js'

/**
 * Makes the tables of a training, as its page and `sos train` show them. Tables without rows are left out.
 *
 * @param runs finished or unfinished runs, in the order in which the schemes are shown
 * @returns the tables of schemes, probes, shifts and runs
 * @throws `ERR_INVALID_ARGUMENT` if two runs have the same scheme and seed
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * for (const { caption } of trainingTables(runs)) console.log(caption)
 */
export function trainingTables(runs: readonly TrainingRun[]): Table[] {
  const training = summariseTraining(runs)
  return [schemeTable, probeTable, trainingShiftTable, runTable]
    .map((tableOf) => tableOf(training))
    .filter(({ rows }) => rows.length > 0)
}

/**
 * Makes the table of the schemes' accuracy on the test images, and of what shifts add: Table 3 of the paper.
 *
 * @param training the result of {@link summariseTraining}
 * @returns the table, with a row for each scheme
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * console.log(schemeTable(summariseTraining(runs)).rows[0])
 */
export function schemeTable(training: TrainingSummary): Table {
  const columns: Column<SchemeSummary>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'runs finished', of: ({ finished, runs }) => `${finished} of ${runs}` },
    { head: 'top-1 (%), last epoch', of: ({ top1 }) => orDash(top1, (value) => spread(value)) },
    {
      head: 'change by SOS',
      of: (scheme) => orDash(differenceOf(scheme, training)?.top1, (value) => signedSpread(value)),
    },
    { head: 'pairs', of: (scheme) => differenceOf(scheme, training)?.top1?.pairs ?? '–' },
    { head: 'top-1 (%), best epoch', of: ({ bestTop1 }) => orDash(bestTop1, (value) => spread(value)) },
    { head: 'test loss', of: ({ testLoss }) => orDash(testLoss, (value) => spread(value, 4)) },
    { head: 'train loss', of: ({ trainLoss }) => orDash(trainLoss, figureSpread) },
    {
      head: 'train accuracy (%)',
      of: ({ trainAccuracy }) => orDash(trainAccuracy, (value) => spread(value)),
    },
    { head: 'seconds an epoch', of: ({ secondsAnEpoch }) => orDash(secondsAnEpoch, figureSpread) },
  ]
  const images = [...new Set(training.runs.flatMap(({ test }) => test?.images ?? []))]
  const caption = `Mean ± standard deviation over the seeds, of finished runs${images.length === 0 ? '' : `, on ${images.join(', ')} test images`}. Change: X+sos minus X of the same seed, in percentage points. Best epoch: chosen by the test images themselves, so its accuracy is too high for an estimate; it is shown because other work reports it. Train: the images of the last epoch, augmented, each before the step that used it.`
  return table(caption, columns, training.schemes)
}

/**
 * Makes the table of sharpness, norm and neural collapse at the end of training: Figures 3 and 4 of the paper as numbers.
 *
 * @param training the result of {@link summariseTraining}
 * @returns the table, with a row for each scheme that was probed
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * console.log(probeTable(summariseTraining(runs)).rows[0])
 */
export function probeTable(training: TrainingSummary): Table {
  const columns: Column<SchemeSummary>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'tr(H)', of: ({ trace }) => orDash(trace, figureSpread) },
    { head: 'change by SOS', of: (scheme) => orDash(differenceOf(scheme, training)?.trace, signedFigures) },
    { head: '‖V‖', of: ({ weightNorm }) => orDash(weightNorm, figureSpread) },
    {
      head: 'change by SOS',
      of: (scheme) => orDash(differenceOf(scheme, training)?.weightNorm, signedFigures),
    },
    { head: 'NC1', of: ({ nc1 }) => orDash(nc1, figureSpread) },
    { head: 'NC2', of: ({ nc2 }) => orDash(nc2, figureSpread) },
    { head: 'NC3', of: ({ nc3 }) => orDash(nc3, figureSpread) },
    { head: 'NC4', of: ({ nc4 }) => orDash(nc4, figureSpread) },
  ]
  const traces = training.runs.flatMap(({ probe }) => probe?.trace ?? [])
  const ways = [...new Set(traces.map(({ by }) => estimators[by]))]
  const estimated =
    traces.length === 0 ? '' : ` tr(H) is measured by ${ways.join(' or by ')}; ${errorsOf(traces)}.`
  const caption = `The last probe of finished runs, mean ± standard deviation over the seeds.${estimated} NC1 to NC4 measure neural collapse and are 0 if it is complete: no variation within classes (1), class means as far apart as possible (2), V parallel to the class means (3), and the same class as the nearest class mean (4).`
  return table(
    caption,
    columns,
    training.schemes.filter(({ weightNorm }) => weightNorm !== null),
  )
}

type ProbedTrace = NonNullable<NonNullable<RunResult['probe']>['trace']>

/** The largest standard errors in a single run, of each kind that is known. */
function errorsOf(traces: readonly ProbedTrace[]): string {
  const largest = (kind: 'standardError' | 'probeStandardError') => {
    const known = traces.flatMap((trace) => trace[kind] ?? [])
    return known.length === 0 ? null : figure(Math.max(...known), 2)
  }
  const [images, probes] = [largest('standardError'), largest('probeStandardError')]
  const ofImages =
    images === null
      ? 'its error over the images is not known'
      : `its standard error over the images is at most ${images} in a single run`
  return probes === null ? ofImages : `${ofImages}, that of the random vectors at most ${probes}`
}

/** A trace with both of its errors, as far as they are known. */
function traceTold({ trace, standardError, probeStandardError }: ProbedTrace): string {
  if (standardError !== null) return `${figure(trace)} ± ${figure(standardError, 2)}`
  return probeStandardError === null
    ? figure(trace)
    : `${figure(trace)} ± ${figure(probeStandardError, 2)} (vectors)`
}

/** How a probe computed tr(H). */
const estimators = {
  exact: 'exact first derivatives of each image, whose trace is equal for a piecewise linear network',
  'gauss-newton':
    'first derivatives, in the Gauss-Newton form, which is equal for a piecewise linear network',
  hessian: 'Hessian-vector products',
}

/**
 * Makes the table of what the shifts of each scheme did.
 *
 * @param training the result of {@link summariseTraining}
 * @returns the table, with a row for each scheme with shifts
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * console.log(trainingShiftTable(summariseTraining(runs)).rows[0])
 */
export function trainingShiftTable(training: TrainingSummary): Table {
  const { schemes } = training
  const columns: Column<SchemeSummary>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'shifts of a run', of: ({ shifts }) => orDash(shifts, wholeSpread) },
    { head: '‖V*‖ / ‖V‖', of: ({ normRatio }) => orDash(normRatio, (value) => spread(value, 4)) },
    { head: 'held-out logits moved', of: ({ driftLargest }) => orDash(driftLargest, figureSpread) },
    { head: 'safe by margin', of: ({ driftSafe }) => orDash(driftSafe, ({ mean }) => share(mean)) },
  ]
  const caption = `Means over the shifts of a run, then mean ± standard deviation over the seeds, of finished runs. Held-out logits moved: the largest change of a logit of the held-out images in a shift. Safe by margin: the share of images whose class this change cannot alter. A dash: no images were held out.`
  return table(
    caption,
    columns,
    schemes.filter(({ shifts }) => shifts !== null),
  )
}

/**
 * Makes the table of every run, with what unfinished runs have reached.
 *
 * @param training the result of {@link summariseTraining}
 * @returns the table, with a row for each run
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * console.log(runTable(summariseTraining(runs)).rows[0])
 */
export function runTable(training: TrainingSummary): Table {
  const { runs } = training
  const warnings = warningKinds(runs)
  const columns: Column<RunResult>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'seed', of: ({ seed }) => seed },
    { head: 'epochs done', of: epochsTold },
    {
      head: 'top-1 (%), last',
      of: ({ test, finished }) => orDash(test, ({ top1 }) => `${fixed(top1)}${finished ? '' : ' so far'}`),
    },
    {
      head: 'best (epoch)',
      of: ({ test }) => orDash(test, ({ bestTop1, bestEpoch }) => `${fixed(bestTop1)} (${bestEpoch})`),
    },
    { head: 'test loss', of: ({ test }) => orDash(test, ({ loss }) => fixed(loss, 4)) },
    { head: 'train loss', of: ({ train }) => orDash(train, ({ loss }) => figure(loss)) },
    { head: 'train accuracy (%)', of: ({ train }) => orDash(train, ({ accuracy }) => fixed(accuracy)) },
    {
      head: 'tr(H)',
      of: ({ probe }) => orDash(probe?.trace, traceTold),
    },
    { head: '‖V‖', of: ({ probe }) => orDash(probe, ({ weightNorm }) => figure(weightNorm)) },
    { head: 'shifts', of: ({ shifts }) => orDash(shifts, ({ count }) => String(count)) },
    {
      head: 'seconds an epoch',
      of: ({ secondsAnEpoch }) => orDash(secondsAnEpoch, (value) => figure(value)),
    },
    { head: 'notes', of: (run) => notes(run, warnings), words: true },
  ]
  const caption = `Each run, as far as it has come. tr(H) ± its standard error over the images, or, marked, that of the random vectors alone, and ‖V‖: in the last probe. Seconds: the median over the epochs, for the steps alone.${legendOf(warnings)}`
  return table(caption, columns, runs)
}

/** The number of epochs that are done, for example `20 of 200`, or `not begun`. */
export const epochsTold = ({ epochs, epochsDone }: RunResult): string =>
  epochs === null ? 'not begun' : epochsDone >= epochs ? String(epochsDone) : `${epochsDone} of ${epochs}`

/** The first warning of each kind, in the order of the runs. Warnings that differ in numbers only are of one kind. */
function warningKinds(runs: readonly RunResult[]): ReadonlyMap<string, string> {
  const kinds = new Map<string, string>()
  for (const { shifts } of runs) {
    if (shifts?.warning == null) continue
    const kind = kindOf(shifts.warning)
    if (!kinds.has(kind)) kinds.set(kind, shifts.warning)
  }
  return kinds
}

const kindOf = (warning: string): string => warning.replace(/[\d.]+/g, '#')

const letterOf = (place: number): string => `(${String.fromCharCode('a'.charCodeAt(0) + place)})`

function legendOf(warnings: ReadonlyMap<string, string>): string {
  const texts = [...warnings.values()].map((text, i) => `${letterOf(i)} for example, ${text}`)
  return texts.length === 0 ? '' : ` Warnings: ${texts.join('; ')}.`
}

function notes({ shifts }: RunResult, warnings: ReadonlyMap<string, string>): string {
  if (shifts === null) return ''
  const { count, lackingClasses, warned, warning } = shifts
  const letter = warning === null ? '' : letterOf([...warnings.keys()].indexOf(kindOf(warning)))
  return [
    lackingClasses > 0 ? `${lackingClasses} of ${count} batches without some class` : null,
    warned > 0 ? `${warned} of ${count} shifts with warning ${letter}` : null,
  ]
    .filter((note) => note !== null)
    .join('; ')
}

const orDash = <T>(value: T | null | undefined, text: (value: T) => string): string =>
  value == null ? '–' : text(value)

/** The difference of `X+sos` to `X`; undefined for a scheme without shifts. */
const differenceOf = (
  { scheme }: SchemeSummary,
  { differences }: TrainingSummary,
): SchemeDifference | undefined => differences.find((difference) => difference.scheme === scheme)
