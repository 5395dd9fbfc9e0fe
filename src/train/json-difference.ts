/** The first difference between two JSON documents, in words such as `epochs was 3 and is 5`; null if they are equal. */
export function difference(before: unknown, now: unknown): string | null {
  return differenceAt(JSON.parse(JSON.stringify(before)), JSON.parse(JSON.stringify(now)), '')
}

function differenceAt(made: unknown, now: unknown, at: string): string | null {
  if (isRecord(made) && isRecord(now)) {
    for (const key of new Set([...Object.keys(made), ...Object.keys(now)])) {
      const found = differenceAt(made[key], now[key], at === '' ? key : `${at}.${key}`)
      if (found !== null) return found
    }
    return null
  }
  const [before, after] = [JSON.stringify(made), JSON.stringify(now)]
  return before === after ? null : `${at} was ${before} and is ${after}`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
