/** What {@link readAhead} reads, item by item. */
export interface ReadAhead<Item> {
  /** Begins to read item `number`; null if there is none. */
  begin(number: number): Promise<Item> | null
  /** Frees an item, when the caller asks for the next one or leaves. */
  free(item: Item): void
  /** The number of the first item. Default: 0. */
  first?: number
  /** Whether the next item is read while the caller works on this one; else it is read when the caller asks for it. Default: true. */
  ahead?: boolean
}

/** Yields items one after another, and reads the next one meanwhile. It frees each of them, also if the caller leaves early. */
export async function* readAhead<Item>({
  begin,
  free,
  first = 0,
  ahead = true,
}: ReadAhead<Item>): AsyncGenerator<Item> {
  const start = (number: number): Promise<Item> | null => {
    const work = begin(number)
    work?.catch(() => {}) // it is awaited below, perhaps later than it fails
    return work
  }
  let number = first
  let next = start(number++)
  try {
    while (next !== null) {
      const item: Item = await next
      next = ahead ? start(number++) : null
      try {
        yield item
      } finally {
        free(item)
      }
      if (!ahead) next = start(number++)
    }
  } finally {
    next?.then(free).catch(() => {}) // the caller left early
  }
}
