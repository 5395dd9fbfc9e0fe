import { writeReport } from '../report-folder.js'
import type { LandscapeDocument, LossLineDocument } from './document.js'
import { landscapePage, lossLinePage } from './page.js'

/**
 * Writes the report of a landscape, or of a line between two models: `index.html`, a page that needs no other file, and
 * `landscape.json` with all numbers. Each file is written under a temporary name and then renamed.
 *
 * @param landscape the landscape or the line
 * @param folder where they go; it is made if it is missing
 * @returns the paths of both files
 * @throws `ERR_OUTPUT` if they cannot be written
 * @example
 * const found = await landscape(model, [], train, { grid: 5, samples: 4 })
 * const document = landscapeDocument(found, { models: ['a.pt'], dataset: train.name })
 * console.log((await writeLandscapeReport(document, 'out/landscape')).page) // → out/landscape/index.html
 */
export async function writeLandscapeReport(
  landscape: LandscapeDocument | LossLineDocument,
  folder: string,
): Promise<{ page: string; json: string }> {
  const markup = await ('t' in landscape ? lossLinePage(landscape) : landscapePage(landscape))
  return writeReport(folder, { name: 'index.html', markup }, { name: 'landscape.json', value: landscape })
}
