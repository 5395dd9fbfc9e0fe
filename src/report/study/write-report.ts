import type { Study } from '../../shift/index.js'
import { writeReport } from '../report-folder.js'
import { studyPage } from './page.js'

/**
 * Writes the report of a study: `index.html`, a page that needs no other file, and `study.json` with all numbers. Each file is written under a
 * temporary name and then renamed.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @param folder where they go; it is made if it is missing
 * @returns the paths of both files
 * @throws `ERR_OUTPUT` if they cannot be written
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * const { page } = await writeStudyReport(study, 'out/study')
 * console.log(page) // → out/study/index.html
 */
export async function writeStudyReport(
  study: Study,
  folder: string,
): Promise<{ page: string; json: string }> {
  const markup = await studyPage(study)
  return writeReport(folder, { name: 'index.html', markup }, { name: 'study.json', value: study })
}
