import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, nonFiniteAsText, writeAtomically } from '../base/index.js'

/** Makes the folder where it is missing: who works for hours on a report does so before. Throws `ERR_OUTPUT`. */
export async function makeReportFolder(folder: string): Promise<void> {
  await makeFolder(folder)
}

/**
 * Writes a page, and what it shows as JSON, into a folder, which is made where it is missing. Each is written beside and
 * renamed.
 *
 * @returns the paths of both
 * @throws `ERR_OUTPUT`
 */
export async function writeReport(
  folder: string,
  page: { name: string; markup: string },
  json: { name: string; value: unknown },
): Promise<{ page: string; json: string }> {
  await makeReportFolder(folder)
  const paths = { page: join(folder, page.name), json: join(folder, json.name) }
  await writeAtomically(paths.json, (path) =>
    writeFile(path, `${JSON.stringify(json.value, nonFiniteAsText, 2)}\n`),
  )
  await writeAtomically(paths.page, (path) => writeFile(path, page.markup))
  return paths
}
