import { AsyncResource } from 'node:async_hooks'
import { expectFunction, expectText, SosError } from '../../base/index.js'
import { type HookHandle, hookHandle } from '../context/hook-handle.js'
import type { NativeValue } from '../native/handles.js'
import type { NativeTap } from '../native/structures.js'
import { fromNative, toNative, type Value } from '../operators/values.js'
import type { Device } from '../tensor/dtype.js'
import { matchesGlob } from './glob.js'

/** What a forward pre-hook is told: the positional inputs of the submodule, in their order. */
export interface PreHookEvent {
  /** Of the submodule, dotted; '' is the root. */
  readonly path: string
  readonly inputs: readonly Value[]
}

/** What a forward hook is told: the output of the submodule. */
export interface HookEvent {
  /** Of the submodule, dotted; '' is the root. */
  readonly path: string
  /** A tensor, or what the submodule returns: arrays for lists and tuples, maps for dicts. */
  readonly output: Value
}

/**
 * Told of the inputs of a submodule, after the forward of the whole, which waits for the promise that an async hook returns. What it throws, or
 * what the promise rejects with, rejects the forward.
 */
export type ForwardPreHook = (event: PreHookEvent) => unknown
/** As {@link ForwardPreHook}, of the output of a submodule. */
export type ForwardHook = (event: HookEvent) => unknown

/** Returns the inputs to go on with, or nothing to leave them. Sync: the forward waits. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
export type ReplacingPreHook = (event: PreHookEvent) => readonly Value[] | undefined | void
/** Returns the output to go on with, or nothing to leave it. Sync: the forward waits. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
export type ReplacingHook = (event: HookEvent) => Value | void

/** What is done natively with each tensor that an observing hook captures, in this order. */
export interface CaptureTreatment {
  /** Cuts it from the graph of gradients. Default: false, as in PyTorch. */
  detach?: boolean
  /** Name of an operator that takes a tensor alone and returns one, as `mean`, `norm` or `amax`. Default: none. */
  reduce?: string
  /** Where it is moved to, as `cpu`. Default: where it is. */
  device?: Device
}

/** Options of a hook that observes. */
export interface ObserveOptions extends CaptureTreatment {
  /** Default: false. */
  replace?: false
  /** The submodule's method whose calls are hooked. Default: its forward. */
  method?: string
}

/** Options of a hook that replaces. */
export interface ReplaceOptions {
  /** Calls the hook in the middle of the forward, which goes on with what it returns. */
  replace: true
  /** The submodule's method whose calls are hooked. Default: its forward. */
  method?: string
}

interface Registration {
  readonly tap: NativeTap
  readonly listener: (event: PreHookEvent & HookEvent) => unknown
  active: boolean
}

/** What one call needs of the hooks that are set when it is made. */
export interface HookSnapshot {
  taps: NativeTap[]
  replace: ((tap: number, value: NativeValue) => NativeValue) | undefined
  /** Its promise is that of the hooks that are async; undefined where none is. */
  deliver: (captures: [tap: number, value: NativeValue][]) => Promise<unknown> | undefined
}

/**
 * The hooks of one module. What passes one that observes is captured natively, without a stop in JavaScript, and told
 * after the forward, in the order of the calls. One that replaces is called in the middle of the forward.
 */
export class HookRegistry {
  readonly #registrations: Set<Registration>

  /** Those that replace and may not be removed. */
  readonly #fixed: readonly Registration[]

  /**
   * @param first those that it begins with, until they are removed where they were added
   * @param fixed whether a call is refused where one of these that replaces was removed: the module is another then
   */
  constructor(first: readonly Registration[] = [], fixed = false) {
    this.#registrations = new Set(first)
    this.#fixed = fixed ? first.filter(({ tap }) => tap.replaces) : []
  }

  get isEmpty(): boolean {
    return this.active().length === 0
  }

  /** In the order in which they were added. */
  active(): Registration[] {
    return [...this.#registrations].filter(({ active }) => active)
  }

  /**
   * @param path as it was given: one that names a submodule is expected to be called, those that a glob means are not
   * @param paths of the submodules that it means
   */
  add(
    path: string,
    paths: readonly string[],
    before: boolean,
    listener: Registration['listener'],
    options: ObserveOptions | ReplaceOptions,
  ): HookHandle {
    expectFunction('hook', listener)
    const { method, detach = false, reduce, device } = options as ObserveOptions
    const rest = {
      ...(method !== undefined && { method }),
      ...(reduce !== undefined && { reduce }),
      ...(device !== undefined && { device }),
    }
    const expected = paths.length === 1 && paths[0] === path
    const registrations = paths.map((path) => ({
      tap: { path, before, replaces: options.replace === true, expected, detach, ...rest },
      listener,
      active: true,
    }))
    for (const registration of registrations) this.#registrations.add(registration)
    return hookHandle(() => {
      for (const registration of registrations) {
        registration.active = false
        this.#registrations.delete(registration)
      }
    })
  }

  snapshot(): HookSnapshot {
    const gone = this.#fixed.find(({ active }) => !active)
    if (gone !== undefined) {
      throw new SosError(
        'ERR_BUSY',
        `the hook on '${gone.tap.path}' that replaces was removed while an evaluation, capture or shift of the module went on: its result would be of two models; await it before`,
      )
    }
    const registrations = this.active()
    const tell = ({ tap, listener, active }: Registration, native: NativeValue): unknown => {
      if (!active) return undefined
      const value = fromNative(native)
      // One of the two, by the kind of the hook.
      return listener({ path: tap.path, inputs: value as Value[], output: value })
    }
    const replaces = registrations.some(({ tap }) => tap.replaces)
    return {
      taps: registrations.map(({ tap }) => tap),
      // In the context of the call: a scope, noGrad and the like hold for its hooks too.
      replace: replaces
        ? AsyncResource.bind((tap: number, native: NativeValue) => {
            const registration = registrations[tap]!
            return replacement(registration.tap, tell(registration, native))
          })
        : undefined,
      deliver: (captures) => {
        const told = captures.map(([tap, native]) => tell(registrations[tap]!, native))
        return told.some(isThenable) ? Promise.all(told) : undefined
      },
    }
  }
}

const isThenable = (value: unknown): boolean =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

function replacement({ path, before }: NativeTap, answer: unknown): NativeValue {
  if (answer === undefined) return undefined
  if (answer instanceof Promise) {
    throw new SosError(
      'ERR_HOOK_RESULT',
      `expected the hook on '${path}' to return its result but it returned a promise; the forward waits for it, so make it sync`,
    )
  }
  return toNative(before && !Array.isArray(answer) ? [answer] : answer)
}

/** Those of `paths` that a glob means: `*` and `?` within a name, `**` across the dots. */
export function matchPaths(glob: string, paths: readonly string[]): string[] {
  expectText('path', glob)
  if (!/[*?]/.test(glob)) return paths.filter((path) => path === glob)
  return paths.filter((path) => matchesGlob(glob, path))
}
