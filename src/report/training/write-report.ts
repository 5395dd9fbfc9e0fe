import { nonFiniteAsText } from '../../base/index.js'
import { writeReport } from '../report-folder.js'
import { trainingPage } from './page.js'
import type { TrainingRun } from './run.js'
import { summariseTraining } from './summary.js'

/**
 * Writes `report.html`, a page that needs nothing else, and `report.json`, the summary that it shows, into `folder`, which is
 * made where it is missing. Each is written beside and renamed, so that both may be written after each epoch and read meanwhile:
 * twelve runs of 300 epochs take a fraction of a second.
 *
 * @param runs finished or not, in the order in which their schemes are to be shown
 * @returns the paths of both
 * @throws `ERR_OUTPUT`, `ERR_INVALID_ARGUMENT` where two runs have the same scheme and seed
 *
 * @example
 * const lines = await readRunRecord('out/sgd-seed0/run.jsonl')
 * await writeTrainingReport('out', 'ResNet-18 on CIFAR-10', [{ scheme: 'sgd', seed: 0, lines }])
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

/** What `report.json` holds. */
export function trainingDocument(title: string, runs: readonly TrainingRun[]): unknown {
  return JSON.parse(JSON.stringify({ title, ...summariseTraining(runs) }, nonFiniteAsText))
}
