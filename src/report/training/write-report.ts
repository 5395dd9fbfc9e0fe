import { nonFiniteAsText } from '../../base/index.js'
import { writeReport } from '../report-folder.js'
import { trainingPage } from './page.js'
import type { TrainingRun } from './run.js'
import { summariseTraining } from './summary.js'

/**
 * Writes the report of a training: `report.html`, a page that needs no other file, and `report.json` with the summary that it shows. Each file is written under
 * a temporary name and then renamed, so both can be written after each epoch while someone reads them. For twelve runs of 300 epochs this takes a fraction of
 * a second.
 *
 * @param folder where they go; it is made if it is missing
 * @param title the heading of the page
 * @param runs finished or unfinished runs, in the order in which the schemes are shown
 * @returns the paths of both files
 * @throws `ERR_OUTPUT` if they cannot be written, `ERR_INVALID_ARGUMENT` if two runs have the same scheme and seed
 * @example
 * const lines = await readRunRecord('docs/results/cifar10-wide_small/sgd-seed0.jsonl')
 * const runs = [{ scheme: 'sgd', seed: 0, lines }]
 * await writeTrainingReport('out/training', 'A small network on CIFAR-10', runs)
 */
export async function writeTrainingReport(
  folder: string,
  title: string,
  runs: readonly TrainingRun[],
): Promise<{ page: string; json: string }> {
  const markup = await trainingPage(title, runs, summariseTraining(runs))
  const value = trainingDocument(title, runs)
  return writeReport(folder, { name: 'report.html', markup }, { name: 'report.json', value })
}

/** The content of `report.json`. */
export function trainingDocument(title: string, runs: readonly TrainingRun[]): unknown {
  return JSON.parse(JSON.stringify({ title, ...summariseTraining(runs) }, nonFiniteAsText))
}
