import { type Html, html } from '../html.js'
import { htmlTable } from '../html-table.js'
import { share } from '../numbers.js'
import { findingsList, page } from '../page.js'
import { draughtsman } from '../svg.js'
import type { Table } from '../table.js'
import { chanceOfExceeding } from './paired.js'
import { trainingFigures } from './figures.js'
import { trainingFindings } from './findings.js'
import type { TrainingRun } from './run.js'
import { summariseTraining, type TrainingSummary } from './summary.js'
import { probeTable, runTable, schemeTable, trainingShiftTable } from './tables.js'

/**
 * A training as one HTML page: what its runs let one say, the schemes side by side, curves by epoch, and every run. Runs may be
 * unfinished: the page says so.
 *
 * @throws `ERR_INVALID_ARGUMENT` where two runs have the same scheme and seed
 */
export async function trainingPage(
  title: string,
  runs: readonly TrainingRun[],
  training: TrainingSummary = summariseTraining(runs),
): Promise<string> {
  const figures = trainingFigures(runs, await draughtsman())
  const main = html`<h2>Findings</h2>
${findingsList(trainingFindings(training))}
${section('Schemes', schemeTable(training))}
${figures.length === 0 ? '' : html`<h2>By epoch</h2>\n<div class="figures">${figures}</div>`}
${section('Sharpness, norm and neural collapse at the end', probeTable(training))}
${section('Shifts', trainingShiftTable(training))}
${section('Every run', runTable(training))}
<h2>How to read this</h2>
<p>A scheme’s number is the mean of what its finished runs have after their last epoch, ± the standard deviation over the seeds
(n − 1): it says how much runs differ that have nothing but their random numbers apart. Runs of one seed share its random
numbers, so X+sos is compared with X seed by seed. With three seeds chance alone brings the mean of such
differences beyond their standard deviation in ${share(chanceOfExceeding(3))} of comparisons; a few seeds cannot settle a small difference, and
the choice of test images adds to it. The best epoch is chosen by the test images and is no estimate of anything.</p>`
  return page({
    title,
    facts: factsOf(runs, training),
    main,
    footer: 'Numbers: report.json beside this page; of each epoch: run.jsonl of each run.',
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

/** What the first lines of all runs that have begun tell alike; names of settings in settings are joined by points. */
function sharedSettings(runs: readonly TrainingRun[]): [string, string][] {
  const told = runs.flatMap(({ lines }) =>
    lines.flatMap((line) => (line.event === 'run' ? [line.about] : [])),
  )
  const [first, ...others] = told.map((about) => new Map(settings(about)))
  return [...(first ?? [])].filter(
    ([name, value]) => !toldElsewhere.has(name) && others.every((other) => other.get(name) === value),
  )
}

/** Of single runs: the page tells of them where it tells of the runs. */
const toldElsewhere = new Set(['scheme', 'seed'])

function settings(about: object, prefix = ''): [string, string][] {
  return Object.entries(about).flatMap(([name, value]): [string, string][] => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return settings(value, `${prefix}${name}.`)
    }
    return [[`${prefix}${name}`, typeof value === 'string' ? value : JSON.stringify(value)]]
  })
}

/** A table under its heading; nothing where it has no rows. */
const section = (heading: string, shown: Table): Html | string =>
  shown.rows.length === 0 ? '' : html`<h2>${heading}</h2>\n${htmlTable(shown)}`
