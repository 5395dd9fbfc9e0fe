/** A table in plain text, for a page or a terminal. */
export interface Table {
  readonly caption: string
  /** Words stand to the left, numbers to the right. */
  readonly head: readonly { readonly text: string; readonly words: boolean }[]
  /** The first cell names the row. */
  readonly rows: readonly (readonly string[])[]
}

export interface Column<T> {
  head: string
  of: (row: T) => string | number
  /** Default: false. */
  words?: boolean
}

export function table<T>(caption: string, columns: readonly Column<T>[], rows: readonly T[]): Table {
  return {
    caption,
    head: columns.map(({ head, words = false }) => ({ text: head, words })),
    rows: rows.map((row) => columns.map(({ of }) => String(of(row)))),
  }
}
