import { SosError } from '../torch/errors.js'

/**
 * Runs `body` with a signal that Ctrl-C raises: what listens to it ends in order, with `message()` as an error whose exit
 * code is 130. A second Ctrl-C ends the process at once.
 */
export async function untilInterrupted<T>(
  message: () => string,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.once('SIGINT', interrupt)
  try {
    return await body(controller.signal)
  } catch (error) {
    if (controller.signal.aborted && error === controller.signal.reason) {
      throw new SosError('ERR_INTERRUPTED', message(), { cause: error })
    }
    throw error
  } finally {
    process.off('SIGINT', interrupt)
  }
}
