import { type Html, html } from '../html.js'
import { share } from '../numbers.js'
import { htmlTable, page } from '../page.js'
import { draughtsman } from '../svg.js'
import type { Table } from '../table.js'
import { endFigures } from './end-figures.js'
import { trainingFigures } from './figures.js'
import { trainingFindings } from './findings.js'
import { chanceOfExceeding } from './paired.js'
import type { TrainingRun } from './run.js'
import { summariseTraining, type TrainingSummary } from './summary.js'
import { probeTable, runTable, schemeTable, trainingShiftTable } from './tables.js'

/**
 * Makes one HTML page of the runs of a training: findings in sentences, the schemes side by side, curves by epoch, and every run. The page needs no other file
 * and no network. It says which runs are unfinished.
 *
 * @param title the heading of the page
 * @param runs finished or unfinished runs, in the order in which the schemes are shown
 * @param training their summary, if the caller has it already
 * @returns the markup
 * @throws `ERR_INVALID_ARGUMENT` if two runs have the same scheme and seed
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * const markup = await trainingPage('A small network on CIFAR-10', runs)
 * console.log(markup.slice(0, 15)) // → <!doctype html>
 */
export async function trainingPage(
  title: string,
  runs: readonly TrainingRun[],
  training: TrainingSummary = summariseTraining(runs),
): Promise<string> {
  const hand = await draughtsman()
  const answers = endFigures(training, hand)
  const figures = trainingFigures(runs, hand)
  const main = html`${answers.length === 0 ? '' : html`<h2>The end of training</h2>\n<div class="figures">${answers}</div>`}
${section('Schemes', schemeTable(training))}
${figures.length === 0 ? '' : html`<h2>By epoch</h2>\n<div class="figures">${figures}</div>`}
${section('Sharpness, norm and neural collapse at the end', probeTable(training))}
${section('Shifts', trainingShiftTable(training))}
${section('Every run', runTable(training))}
<h2>How to read this</h2>
<p>The number of a scheme is the mean over its finished runs, after their last epoch, ± the standard deviation over the seeds (n − 1).
This deviation says how much runs differ that differ in nothing but their random numbers.</p>
<p>Runs of one seed share their random numbers, so X+sos is compared with X seed by seed. With three seeds, chance alone brings the mean of such
differences beyond their standard deviation in ${share(chanceOfExceeding(3))} of comparisons. A few seeds cannot settle a small difference, and
the choice of the test images adds to the uncertainty. The best epoch is chosen by the test images, so its accuracy is not a fair estimate.</p>`
  return page({
    title,
    findings: trainingFindings(training),
    facts: factsOf(runs, training),
    main,
    footer:
      'The numbers are in report.json beside this page, and those of each epoch in the run.jsonl of each run.',
  })
}

/** The schemes and seeds, and the settings that all runs share. */
function factsOf(
  runs: readonly TrainingRun[],
  { schemes, runs: results }: TrainingSummary,
): [string, string][] {
  const seeds = [...new Set(results.map(({ seed }) => seed))]
  const finished = results.filter((run) => run.finished).length
  const epochs = [...new Set(results.flatMap(({ epochs }) => epochs ?? []))]
  return [
    ['schemes', schemes.map(({ scheme }) => scheme).join(', ')],
    ['seeds', seeds.join(', ')],
    ['runs', `${results.length}, of which ${finished} finished`],
    ...(epochs.length === 0 ? [] : [['epochs', epochs.join(', ')] as [string, string]]),
    ...sharedSettings(runs),
  ]
}

/** The settings that the first lines of all begun runs have in common. The names of nested settings are joined by dots. */
function sharedSettings(runs: readonly TrainingRun[]): [string, string][] {
  const begun = runs.flatMap(({ lines }) =>
    lines.flatMap((line) => (line.event === 'run' ? [line.about] : [])),
  )
  const [first, ...others] = begun.map((about) => new Map(settings(about)))
  return [...(first ?? [])].filter(
    ([name, value]) => !shownElsewhere.has(name) && others.every((other) => other.get(name) === value),
  )
}

/** Settings of single runs, which the page shows with the runs. */
const shownElsewhere = new Set(['scheme', 'seed'])

function settings(about: object, prefix = ''): [string, string][] {
  return Object.entries(about).flatMap(([name, value]): [string, string][] => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return settings(value, `${prefix}${name}.`)
    }
    return [[`${prefix}${name}`, typeof value === 'string' ? value : JSON.stringify(value)]]
  })
}

/** A table under its heading, or nothing if it has no rows. */
const section = (heading: string, shown: Table): Html | string =>
  shown.rows.length === 0 ? '' : html`<h2>${heading}</h2>\n${htmlTable(shown)}`
