import type { Progress } from '../../data/index.js'

/**
 * Shows on stderr how far long work has come. On a terminal it is one line that is overwritten; elsewhere it is a new line every
 * ten seconds.
 */
export class ProgressLine {
  readonly #label: string
  readonly #atMost: string
  #start = performance.now()
  #before = { done: 0, total: 0 }
  #last = 0
  #shown = false

  /**
   * @param options.atMost whether the work usually ends before the total is reached
   */
  constructor(label: string, { atMost = false } = {}) {
    this.#label = label
    this.#atMost = atMost ? 'at most ' : ''
  }

  readonly update = ({ done, total, resumed = 0 }: Progress): void => {
    const now = performance.now()
    // Another part of the work has begun, which may be faster or slower.
    if (total !== this.#before.total || done < this.#before.done)
      this.#start = this.#before.total > 0 ? now : this.#start
    this.#before = { done, total }
    const interval = process.stderr.isTTY ? 100 : 10_000
    if (now - (this.#last || this.#start) < interval) return
    this.#last = now
    const rate = (done - resumed) / ((now - this.#start) / 1000)
    const left = rate > 0 ? `, ${this.#atMost}${duration((total - done) / rate)} left` : ''
    const text = `${this.#label}: ${done}/${total}, ${rate.toFixed(rate < 10 ? 1 : 0)}/s${left}`
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : `${text}\n`)
    this.#shown = true
  }

  /** Clears the line. */
  end(): void {
    if (this.#shown && process.stderr.isTTY) process.stderr.write('\r\x1b[2K')
  }
}

/** A number of seconds in words, exact to a few per cent. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Runs `body` with a progress line, which is removed afterwards. */
export async function withProgress<T>(
  label: string,
  body: (update: ProgressLine['update']) => Promise<T>,
  options?: { atMost: boolean },
): Promise<T> {
  const line = new ProgressLine(label, options)
  try {
    return await body(line.update)
  } finally {
    line.end()
  }
}
