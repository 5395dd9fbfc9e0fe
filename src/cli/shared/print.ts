import type { Table } from '../../report/index.js'

export { figure, percent, plusMinus, pValue, signedFigure } from '../../report/internal.js'

/** Writes one JSON document to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** Writes one line to stdout. */
export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Prints rows in columns. The columns at the places `words` are aligned to the left, the others, which hold numbers, to the right. */
export function printTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  words: readonly number[] = [0],
): void {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (words.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  printLine(line(header))
  printLine(widths.map((width) => '─'.repeat(width)).join('  '))
  for (const row of rows) printLine(line(row))
}

/** Prints tables of a report, each with its caption. */
export function printTables(tables: readonly Table[]): void {
  for (const { head, rows, caption } of tables) {
    printTable(
      head.map(({ text }) => text),
      rows,
      head.flatMap(({ words }, i) => (words ? [i] : [])),
    )
    printLine()
    printLine(caption)
    printLine()
  }
}
