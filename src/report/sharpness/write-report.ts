import { writeReport } from '../report-folder.js'
import { sharpnessPage } from './page.js'
import type { SharpnessRecord } from './record.js'

/**
 * Writes the report of sharpness: `index.html`, a page that needs no other file, and `sharpness.json`, the record itself. Each file is written under a
 * temporary name and then renamed.
 *
 * @param record what `sos sharpness --json` printed, parsed
 * @param folder where they go; it is made if it is missing
 * @returns the paths of both files
 * @throws `ERR_OUTPUT` if they cannot be written
 * @example
 * const eigenvalues = [{ value: 2, residual: 0.001, converged: true }]
 * const record = { model: 'a.pt', withoutGradient: [], dataset: 'x', operator: 'hessian' as const, size: 9, samples: 64, seed: 0 }
 * console.log((await writeSharpnessReport({ ...record, eigenvalues }, 'out/sharpness')).page) // → out/sharpness/index.html
 */
export async function writeSharpnessReport(
  record: SharpnessRecord,
  folder: string,
): Promise<{ page: string; json: string }> {
  const markup = await sharpnessPage(record)
  return writeReport(folder, { name: 'index.html', markup }, { name: 'sharpness.json', value: record })
}
