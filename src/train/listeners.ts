import { SosError } from '../base/index.js'

type Listener = (event: unknown) => unknown

/**
 * Calls the listeners of an event one after another. Before the next one it waits for the promise that a listener returned, and for the
 * promises that the listener gave to `waitUntil`, also for those that it gave while it was waited for.
 *
 * @param self the `this` of the listeners
 * @param fields what the event carries; getters stay getters
 * @throws the first error of a listener. All promises of that listener have settled by then, so that none of them still uses the model
 */
export async function callListeners(
  listeners: readonly unknown[],
  self: unknown,
  fields: object,
): Promise<void> {
  for (const listener of listeners) {
    const waiting: Promise<unknown>[] = []
    let open = true
    const waitUntil = (work: PromiseLike<unknown>) => {
      if (!open) {
        throw new SosError(
          'ERR_INVALID_ARGUMENT',
          'expected waitUntil to be called before its listener has finished but it was called later: the trainer does not wait any more',
        )
      }
      const promise = Promise.resolve(work)
      promise.catch(() => {}) // it is awaited below, perhaps later than it fails
      waiting.push(promise)
    }
    const event = Object.defineProperties({ waitUntil }, Object.getOwnPropertyDescriptors(fields))
    waitUntil(called(listener as Listener, self, event))
    const failures: unknown[] = []
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) {
      await work.catch((error) => void failures.push(error))
    }
    open = false
    if (failures.length > 0) throw failures[0]
  }
}

/** What a listener returns, as a promise; if the listener throws, the promise rejects. */
async function called(listener: Listener, self: unknown, event: unknown): Promise<unknown> {
  return listener.call(self, event)
}
