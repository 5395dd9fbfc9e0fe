/** A table of plain text, for a page or a terminal. */
export interface Table {
  /** What the table shows, and what its columns mean. */
  readonly caption: string
  /** The heads of the columns. A column of words is aligned to the left, one of numbers to the right. */
  readonly head: readonly { readonly text: string; readonly words: boolean }[]
  /** The cells, row by row. The first cell of a row names it. */
  readonly rows: readonly (readonly string[])[]
}

/** How a column of a table is made of the objects that its rows describe. */
export interface Column<T> {
  head: string
  /** The text of the cell for one object. */
  of: (row: T) => string | number
  /** Whether the column holds words. Default: false. */
  words?: boolean
}

/** Makes a table with a row for each object of `rows`. */
export function table<T>(caption: string, columns: readonly Column<T>[], rows: readonly T[]): Table {
  return {
    caption,
    head: columns.map(({ head, words = false }) => ({ text: head, words })),
    rows: rows.map((row) => columns.map(({ of }) => String(of(row)))),
  }
}
