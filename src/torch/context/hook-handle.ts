/** Ends a hook, also at the end of a `using`. Calls that have begun still tell what they captured, but not to this hook. */
export interface HookHandle extends Disposable {
  /** Does nothing where it was removed before. */
  remove(): void
}

/** A handle that does `remove`. */
export function hookHandle(remove: () => void): HookHandle {
  return { remove, [Symbol.dispose]: remove }
}
