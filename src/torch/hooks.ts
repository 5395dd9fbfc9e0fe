import type { NativeValue } from './binding.js'
import { fromNative, type Value } from './values.js'

/** What a forward pre-hook is told: the positional inputs of the submodule, in their order. */
export interface PreHookEvent {
  readonly path: string
  readonly inputs: readonly Value[]
}

/** What a forward hook is told: the output of the submodule. */
export interface HookEvent {
  readonly path: string
  readonly output: Value
}

export type ForwardPreHook = (event: PreHookEvent) => void
export type ForwardHook = (event: HookEvent) => void

/** Ends a hook. Calls that have begun still tell what they captured, but not to this hook. */
export interface HookHandle {
  remove(): void
}

interface Registration {
  readonly path: string
  readonly before: boolean
  readonly listener: ForwardHook | ForwardPreHook
  active: boolean
}

/**
 * The hooks of one module. They observe: what passes a hooked submodule is captured natively, without a stop in
 * JavaScript, and told after the forward, in the order of the calls.
 */
export class HookRegistry {
  readonly #registrations = new Set<Registration>()

  add(path: string, before: boolean, listener: ForwardHook | ForwardPreHook): HookHandle {
    const registration: Registration = { path, before, listener, active: true }
    this.#registrations.add(registration)
    return {
      remove: () => {
        registration.active = false
        this.#registrations.delete(registration)
      },
    }
  }

  /** The taps that one call needs, and what to do with their captures once it is done. */
  snapshot(): {
    taps: [path: string, before: boolean][]
    deliver: (captures: [number, NativeValue][]) => void
  } {
    const groups = new Map<string, Registration[]>()
    for (const registration of this.#registrations) {
      const key = `${registration.before ? '<' : '>'}${registration.path}`
      groups.set(key, [...(groups.get(key) ?? []), registration])
    }
    const listeners = [...groups.values()]
    return {
      taps: listeners.map(([first]) => [first!.path, first!.before]),
      deliver: (captures) => {
        for (const [tap, native] of captures) {
          const value = fromNative(native)
          for (const { path, before, listener, active } of listeners[tap]!) {
            if (!active) continue
            if (before) (listener as ForwardPreHook)({ path, inputs: value as Value[] })
            else (listener as ForwardHook)({ path, output: value })
          }
        }
      },
    }
  }
}
