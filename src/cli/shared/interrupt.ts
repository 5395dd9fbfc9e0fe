import { SosError } from '../../base/index.js'

/** What Ctrl-C aborts; null while nothing has asked to end in an orderly way. */
let current: AbortController | null = null

/** Makes Ctrl-C end the command with one line and exit code 130. A second Ctrl-C ends the process at once. */
export function endAtInterrupt(): void {
  process.once('SIGINT', () => {
    if (current !== null) return current.abort()
    process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[2K' : ''}sos: interrupted\n`)
    process.exit(130)
  })
}

/**
 * Runs `body` with a signal that Ctrl-C aborts, so that `body` can end in an orderly way. The error has `message()` as its text, and the exit code is 130.
 * A second Ctrl-C ends the process at once.
 */
export async function untilInterrupted<T>(
  message: () => string,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  current = controller
  try {
    return await body(controller.signal)
  } catch (error) {
    if (controller.signal.aborted && error === controller.signal.reason) {
      throw new SosError('ERR_INTERRUPTED', message(), { cause: error })
    }
    throw error
  } finally {
    current = null
  }
}
