import type { Table } from '../../report/index.js'

/** Writes one JSON document to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Lays out rows in columns: those at `words` to the left, the others, which are numbers, to the right. */
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

/** Tables of a report, with what they say below each. */
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

/** A dash for what is not there, or no number as the share of nothing. */
export const percent = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? '–' : `${value.toFixed(2)} %`

/** Four significant digits, or the exponent where they would not show it. */
export const figure = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
    ? value.toExponential(2)
    : `${Number(value.toPrecision(4))}`

/** Below 1e-300 doubles have no digits left to tell it by, and then are 0. */
export const pValue = (value: number): string => (value < 1e-300 ? '< 1e-300' : figure(value))

export const signed = (value: number): string => (value > 0 ? `+${figure(value)}` : figure(value))

export const plusMinus = (value: number, error: number): string => `${figure(value)} ± ${figure(error)}`
