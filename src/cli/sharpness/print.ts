import type { ModelSharpness, SharpnessRecord } from '../../report/index.js'
import { library } from '../shared/library.js'
import { printLine, printTables } from '../shared/print.js'

/** Prints the tables of a record, and what they show. */
export async function printSharpness(record: SharpnessRecord): Promise<void> {
  const { sharpnessFindings, sharpnessTables } = await library()
  printTables(sharpnessTables(record, { most: 20 }))
  for (const sentence of sharpnessFindings(record)) printLine(`- ${sentence}`)
  printLeftOut(record)
  if (record.compare !== undefined) printLeftOut(record.compare)
}

function printLeftOut({ model, withoutGradient: names }: ModelSharpness): void {
  if (names.length === 0) return
  const more = names.length > 5 ? ', …' : ''
  printLine(
    `warning: ${model}: ${names.length} parameters are left out, because no gradient reaches them or they require none: ${names.slice(0, 5).join(', ')}${more}`,
  )
}
