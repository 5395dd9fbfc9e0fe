import { SosError } from '../../base/index.js'

/** What a Ctrl-C ends in order; null where nothing has asked for that. */
let current: AbortController | null = null

/** Makes a Ctrl-C end the command with one line and exit code 130. A second one ends the process at once. */
export function endAtInterrupt(): void {
  process.once('SIGINT', () => {
    if (current !== null) return current.abort()
    process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[2K' : ''}sos: interrupted\n`)
    process.exit(130)
  })
}

/**
 * Runs `body` with a signal that Ctrl-C raises: what listens to it ends in order, with `message()` as an error whose exit
 * code is 130. A second Ctrl-C ends the process at once.
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
