/** A character between the columns of a CSV file. */
export type Separator = ',' | ';' | '\t'

/** The separator of a CSV file: the first separator in its first line outside of quotation marks; null if there is none. */
export function separatorOf(line: string): Separator | null {
  let quoted = false
  for (const character of line) {
    if (character === '"') quoted = !quoted
    else if (!quoted && (character === ',' || character === ';' || character === '\t')) return character
  }
  return null
}

/**
 * The columns of one line, trimmed, by the rules of RFC 4180: a column in quotation marks may have separators, and two quotation marks in it
 * stand for one. Null if a quotation mark is not closed, or is inside of a text without quotation marks. The line is read only once.
 */
export function columnsOf(line: string, separator: Separator): string[] | null {
  const columns: string[] = []
  for (let at = 0; ; ) {
    while (line[at] === ' ' || (line[at] === '\t' && separator !== '\t')) at++
    let end = line.indexOf(separator, at)
    if (line[at] === '"') {
      const close = closingQuote(line, at)
      if (close < 0) return null
      columns.push(
        line
          .slice(at + 1, close)
          .replaceAll('""', '"')
          .trim(),
      )
      end = line.indexOf(separator, close)
      if (line.slice(close + 1, end < 0 ? undefined : end).trim() !== '') return null
    } else {
      const column = line.slice(at, end < 0 ? undefined : end).trim()
      if (column.includes('"')) return null
      columns.push(column)
    }
    if (end < 0) return columns
    at = end + 1
  }
}

/** The place of the quotation mark that closes the one at `open`; -1 if there is none. */
function closingQuote(line: string, open: number): number {
  for (let at = open + 1; at < line.length; at++) {
    if (line[at] !== '"') continue
    if (line[at + 1] !== '"') return at
    at++
  }
  return -1
}
