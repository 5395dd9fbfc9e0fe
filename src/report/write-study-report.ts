import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Study } from '../shift/study-record.js'
import { writeAtomically } from '../torch/atomic-file.js'
import { SosError } from '../torch/errors.js'
import { studyPage } from './study-page.js'

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
  await makeReportFolder(folder)
  const [page, json] = [join(folder, 'index.html'), join(folder, 'study.json')]
  const markup = await studyPage(study)
  await writeAtomically(json, (path) => writeFile(path, `${JSON.stringify(study, null, 2)}\n`))
  await writeAtomically(page, (path) => writeFile(path, markup))
  return { page, json }
}

/** Makes the folder where it is missing: who works for hours on a report does so before. Throws `ERR_OUTPUT`. */
export async function makeReportFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw new SosError('ERR_OUTPUT', `${folder}: the folder cannot be made: ${cause.message}`, { cause })
  })
}
