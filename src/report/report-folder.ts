import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SosError, writeAtomically } from '../base/index.js'

/** Makes the folder where it is missing: who works for hours on a report does so before. Throws `ERR_OUTPUT`. */
export async function makeReportFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw new SosError('ERR_OUTPUT', `${folder}: the folder cannot be made: ${cause.message}`, { cause })
  })
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
  await writeAtomically(paths.json, (path) => writeFile(path, `${JSON.stringify(json.value, asText, 2)}\n`))
  await writeAtomically(paths.page, (path) => writeFile(path, page.markup))
  return paths
}

/** JSON has no NaN and no infinity, which a training that diverged has: they are written as text. */
export const asText = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
