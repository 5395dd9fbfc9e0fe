/**
 * Removes a hook, by `remove()` or at the end of a `using`. Calls that have begun still deliver what they captured, but no longer to this
 * hook.
 */
export interface HookHandle extends Disposable {
  /** Removes the hook. Does nothing if it was removed before. */
  remove(): void
}

/** A handle that calls `remove`. */
export function hookHandle(remove: () => void): HookHandle {
  return { remove, [Symbol.dispose]: remove }
}
