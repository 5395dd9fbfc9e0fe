import type { Study } from '../../shift/index.js'
import { writeReport } from '../report-folder.js'
import { studyPage } from './page.js'

/**
 * Writes `index.html`, a page that needs nothing else, and `study.json` into `folder`, which is made where it is missing.
 * Each is written beside and renamed.
 *
 * @returns the paths of both
 * @throws `ERR_OUTPUT`
 */
export async function writeStudyReport(
  study: Study,
  folder: string,
): Promise<{ page: string; json: string }> {
  const markup = await studyPage(study)
  return writeReport(folder, { name: 'index.html', markup }, { name: 'study.json', value: study })
}
