import { SosError } from '../base/index.js'

type Listener = (event: unknown) => unknown

/**
 * Calls the listeners of an event one after another, each when what the one before asked to wait for is done: what it
 * returned, where that is a promise, and what it gave to `waitUntil`, also from within that promise.
 *
 * @param fields what the event tells; getters stay getters
 * @throws the first error of a listener, when all that it asked to wait for has ended: none may go on with the model then
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
          'expected waitUntil to be called before its listener is done but it came later: the trainer has gone on',
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

/** What a listener returns, as a promise: one that throws is one that rejects. */
async function called(listener: Listener, self: unknown, event: unknown): Promise<unknown> {
  return listener.call(self, event)
}
