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

/** The tables of a training that have rows, as its page and `sos train` show them. */
export function trainingTables(runs: readonly TrainingRun[]): Table[] {
  const training = summariseTraining(runs)
  return [schemeTable, probeTable, trainingShiftTable, runTable]
    .map((tableOf) => tableOf(training))
    .filter(({ rows }) => rows.length > 0)
}

/** Table 3 of the paper: the schemes' accuracy on the test images, and what shifting adds. */
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
  const caption = `Mean ± standard deviation over the seeds, of finished runs${images.length === 0 ? '' : `, on ${images.join(', ')} test images`}. Change: X+sos less X of the same seed, in percentage points. Best epoch: chosen by the test images themselves, so too high for an estimate; it is here because other work reports it. Train: of the last epoch, each image before the step that took it, augmented as in training.`
  return table(caption, columns, training.schemes)
}

/** Figures 3 and 4 of the paper as numbers: sharpness, norm and neural collapse at the end; of schemes that were probed. */
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
  const errors = traces.map(({ standardError }) => standardError)
  const estimated =
    traces.length === 0
      ? ''
      : ` tr(H) is estimated by ${ways.join(' or by ')}; the standard error of a single run’s is ${figure(Math.max(...errors), 2)} at most.`
  const caption = `The last probe of finished runs, mean ± standard deviation over the seeds.${estimated} NC1 to NC4, of neural collapse, are 0 in its limit: no variation within classes (1), class means as far apart as they can be (2), V in their directions (3), the class of the nearest mean (4).`
  return table(
    caption,
    columns,
    training.schemes.filter(({ weightNorm }) => weightNorm !== null),
  )
}

/** How a probe's tr(H) came about. */
const estimators = {
  'gauss-newton':
    'first derivatives, in the Gauss-Newton form, which is the same where a network is piecewise linear',
  hessian: 'Hessian-vector products',
}

/** What the shifts of each scheme did; of schemes that have any. */
export function trainingShiftTable({ schemes }: TrainingSummary): Table {
  const columns: Column<SchemeSummary>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'shifts of a run', of: ({ shifts }) => orDash(shifts, wholeSpread) },
    { head: '‖V*‖ / ‖V‖', of: ({ normRatio }) => orDash(normRatio, (value) => spread(value, 4)) },
    { head: 'held-out logits moved', of: ({ driftLargest }) => orDash(driftLargest, figureSpread) },
    { head: 'safe by margin', of: ({ driftSafe }) => orDash(driftSafe, ({ mean }) => share(mean)) },
  ]
  const caption = `Means over the shifts of a run, then mean ± standard deviation over the seeds, of finished runs. Moved: the largest change of a logit of the held-out images by a shift; safe by margin: images that it cannot give another class. A dash: no images were held out.`
  return table(
    caption,
    columns,
    schemes.filter(({ shifts }) => shifts !== null),
  )
}

/** Every run by itself, unfinished ones as far as they are. */
export function runTable({ runs }: TrainingSummary): Table {
  const columns: Column<RunResult>[] = [
    { head: 'scheme', of: ({ scheme }) => scheme, words: true },
    { head: 'seed', of: ({ seed }) => seed },
    { head: 'epochs done', of: epochsTold },
    { head: 'top-1 (%), last', of: ({ test }) => orDash(test, ({ top1 }) => fixed(top1)) },
    {
      head: 'best (epoch)',
      of: ({ test }) => orDash(test, ({ bestTop1, bestEpoch }) => `${fixed(bestTop1)} (${bestEpoch})`),
    },
    { head: 'test loss', of: ({ test }) => orDash(test, ({ loss }) => fixed(loss, 4)) },
    { head: 'train loss', of: ({ train }) => orDash(train, ({ loss }) => figure(loss)) },
    { head: 'train accuracy (%)', of: ({ train }) => orDash(train, ({ accuracy }) => fixed(accuracy)) },
    {
      head: 'tr(H)',
      of: ({ probe }) =>
        orDash(probe?.trace, ({ trace, standardError }) => `${figure(trace)} ± ${figure(standardError, 2)}`),
    },
    { head: '‖V‖', of: ({ probe }) => orDash(probe, ({ weightNorm }) => figure(weightNorm)) },
    { head: 'shifts', of: ({ shifts }) => orDash(shifts, ({ count }) => String(count)) },
    {
      head: 'seconds an epoch',
      of: ({ secondsAnEpoch }) => orDash(secondsAnEpoch, (value) => figure(value)),
    },
    { head: 'notes', of: notes, words: true },
  ]
  const caption = `Each run by itself, as far as it is. tr(H) ± standard error of its estimate, and ‖V‖: of the last probe. Seconds: the median over the epochs, for the steps alone.`
  return table(caption, columns, runs)
}

/** As `20 of 200`, or `not begun`. */
export const epochsTold = ({ epochs, epochsDone }: RunResult): string =>
  epochs === null ? 'not begun' : epochsDone >= epochs ? String(epochsDone) : `${epochsDone} of ${epochs}`

function notes({ shifts }: RunResult): string {
  if (shifts === null) return ''
  const { count, lackingClasses, warned, warning } = shifts
  return [
    lackingClasses > 0 ? `${lackingClasses} of ${count} batches without some class` : null,
    warned > 0 ? `${warned} of ${count} shifts with a warning, as: ${warning}` : null,
  ]
    .filter((note) => note !== null)
    .join('; ')
}

const orDash = <T>(value: T | null | undefined, text: (value: T) => string): string =>
  value == null ? '–' : text(value)

/** Of `X+sos` against `X`; undefined of other schemes. */
const differenceOf = (
  { scheme }: SchemeSummary,
  { differences }: TrainingSummary,
): SchemeDifference | undefined => differences.find((difference) => difference.scheme === scheme)
