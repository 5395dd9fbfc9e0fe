import { count, figure, fixed, share, signed, signedFigures, signedSpread, spread } from '../numbers.js'
import { chanceOfExceeding, exceedsSpread, type Paired } from './paired.js'
import { differencesOf, type SchemeDifference, type SchemeSummary, type TrainingSummary } from './summary.js'
import { epochsTold } from './tables.js'

/**
 * Says in sentences what the runs of a training show, and no more than they allow: unfinished and diverged runs, the best scheme, and what shifts changed.
 *
 * @param training the result of {@link summariseTraining}
 * @returns plain sentences, the most important first
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * for (const sentence of trainingFindings(summariseTraining(runs))) console.log(sentence)
 */
export function trainingFindings(training: TrainingSummary): string[] {
  return [
    unfinished(training),
    diverged(training),
    highest(training),
    ...training.differences.flatMap((difference) => [
      accuracy(difference),
      movement(difference, 'trace', 'tr(H)'),
      movement(difference, 'weightNorm', '‖V‖'),
    ]),
    ...training.schemes.map(shifts),
  ].filter((sentence) => sentence !== null)
}

function unfinished({ runs }: TrainingSummary): string | null {
  if (runs.length === 0) return 'No run has begun.'
  const open = runs.filter(({ finished }) => !finished)
  if (open.length === 0) return null
  const inWords = open.map((run) => `${run.scheme} seed ${run.seed} (${epochsTold(run)})`)
  return `${open.length} of ${count(runs.length, 'run')} ${open.length === 1 ? 'is' : 'are'} not finished; epochs done: ${inWords.join(', ')}. Means and differences are of finished runs only.`
}

function diverged({ runs }: TrainingSummary): string | null {
  const lost = runs.filter(({ train }) => train !== null && !Number.isFinite(train.loss))
  if (lost.length === 0) return null
  const inWords = lost.map(({ scheme, seed }) => `${scheme} seed ${seed}`)
  return `The training loss became NaN or infinite in ${inWords.join(', ')}: ${lost.length === 1 ? 'this run' : 'these runs'} diverged.`
}

/** Which scheme has the highest mean, and whether the difference to the next one means anything. */
function highest({ schemes, runs }: TrainingSummary): string | null {
  const ranked = schemes
    .filter(({ top1 }) => top1 !== null)
    .sort((a, b) => b.top1!.mean - a.top1!.mean) as (SchemeSummary & { top1: object })[]
  const [first, second] = ranked
  if (first === undefined) return null
  const inWords = ({ scheme, top1, finished }: SchemeSummary) =>
    `${scheme}, ${spread(top1!)} % (${count(finished, 'run')})`
  if (second === undefined) return `Top-1 after the last epoch: ${inWords(first)}.`
  const finishedOf = ({ scheme }: SchemeSummary) =>
    runs.filter((run) => run.scheme === scheme && run.finished)
  const paired = differencesOf(finishedOf(first), finishedOf(second)).top1
  return `Highest mean top-1 after the last epoch: ${inWords(first)}; next: ${inWords(second)}. ${paired === null ? 'They have no seed in common.' : verdict(paired)}`
}

function accuracy({ scheme, against, top1, testLoss }: SchemeDifference): string {
  if (top1 === null) return `${scheme} against ${against}: no seed has finished runs of both yet.`
  const loss = testLoss === null ? '' : ` Test loss changes by ${signedSpread(testLoss, 4)}.`
  return `${scheme} against ${against}, paired by seed: top-1 changes by ${signedSpread(top1)} percentage points (n = ${top1.pairs}; higher in ${top1.higher}, lower in ${top1.lower}). ${verdict(top1)}${loss}`
}

function movement(
  { scheme, against, ...difference }: SchemeDifference,
  quantity: 'trace' | 'weightNorm',
  name: string,
): string | null {
  const paired = difference[quantity]
  if (paired === null) return null
  const percent = paired.against > 0 ? `, ${signed((100 * paired.mean) / paired.against, 1)} %` : ''
  return `${name} at the end is lower with ${scheme} than with ${against} in ${paired.lower} of ${count(paired.pairs, 'pair')}: ${signedFigures(paired)}${percent}${exceedsSpread(paired) ? '' : '; these runs show no difference'}.`
}

/** Whether a mean difference is larger than the spread of the differences, and what that is worth. */
function verdict(paired: Paired): string {
  const { pairs, sd } = paired
  if (sd === null) return 'One pair of runs says nothing about chance: it shows no difference.'
  if (!exceedsSpread(paired)) {
    return 'The mean difference is within its standard deviation over the seeds: these runs show no difference.'
  }
  return `The mean difference exceeds its standard deviation over the seeds; with ${pairs} seeds chance alone does that in ${share(chanceOfExceeding(pairs))} of comparisons.`
}

function shifts({ scheme, shifts, normRatio, driftSafe }: SchemeSummary): string | null {
  if (shifts === null || normRatio === null) return null
  const safe =
    driftSafe === null
      ? ''
      : `; ${share(driftSafe.mean)} of the held-out images cannot have changed class by a shift`
  return `In ${scheme} a shift shrinks ‖V‖ by ${fixed(100 * (1 - normRatio.mean), 2)} % on average over ${figure(shifts.mean)} shifts a run${safe}. A shift can only shrink it: the steps that follow may undo that, and a smaller norm alone says nothing about generalisation.`
}
