import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, nonFiniteAsText, writeAtomically } from '../base/index.js'

/**
 * Makes the folder of a report, with its parents, if it is missing. Call it before hours of work whose result goes there.
 *
 * @param folder its path
 * @throws `ERR_OUTPUT` if it cannot be made
 * @example
 * await makeReportFolder('out/study')
 */
export async function makeReportFolder(folder: string): Promise<void> {
  await makeFolder(folder)
}

/**
 * Writes a page, and its content as JSON, into a folder, which is made if it is missing. Each file is written under a temporary name and
 * then renamed, so that a reader never sees half of it.
 *
 * @returns the paths of both files
 * @throws `ERR_OUTPUT` if they cannot be written
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
