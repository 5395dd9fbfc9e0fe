import { AsyncResource } from 'node:async_hooks'
import { expectFunction, expectText, SosError } from '../../base/index.js'
import { type HookHandle, hookHandle } from '../context/hook-handle.js'
import type { NativeValue } from '../native/handles.js'
import type { NativeTap } from '../native/structures.js'
import { fromNative, toNative, type Value } from '../operators/values.js'
import type { Device } from '../tensor/dtype.js'
import { matchesGlob } from './glob.js'

/** What a forward pre-hook receives. */
export interface PreHookEvent {
  /** The dotted path of the submodule; '' is the root. */
  readonly path: string
  /** The positional inputs of the submodule, in their order. */
  readonly inputs: readonly Value[]
}

/** What a forward hook receives. */
export interface HookEvent {
  /** The dotted path of the submodule; '' is the root. */
  readonly path: string
  /** What the submodule returned: a tensor, an array for a list or tuple, a Map for a dict. */
  readonly output: Value
}

/**
 * A hook that observes the inputs of a submodule. It is called after the whole forward, which waits for the promise of an asynchronous hook.
 * If the hook throws, or its promise rejects, the forward rejects with the same error.
 */
export type ForwardPreHook = (event: PreHookEvent) => unknown
/** A hook that observes the output of a submodule; see {@link ForwardPreHook}. */
export type ForwardHook = (event: HookEvent) => unknown

/** A hook that returns the inputs to continue with, or nothing to leave them unchanged. It must be synchronous, since the forward waits. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
export type ReplacingPreHook = (event: PreHookEvent) => readonly Value[] | undefined | void
/** A hook that returns the output to continue with, or nothing to leave it unchanged. It must be synchronous, since the forward waits. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
export type ReplacingHook = (event: HookEvent) => Value | void

/** What is done natively with each tensor that an observing hook captures. The steps are taken in this order. */
export interface CaptureTreatment {
  /** Detaches the tensor from the graph of gradients. Default: false, as in PyTorch. */
  detach?: boolean
  /** The name of an operator that takes one tensor and returns one, for example `mean`, `norm` or `amax`. Default: none. */
  reduce?: string
  /** The device to which the tensor is moved, for example `cpu`. Default: it stays where it is. */
  device?: Device
}

/** Options of a hook that observes. */
export interface ObserveOptions extends CaptureTreatment {
  /** False for a hook that observes. Default: false. */
  replace?: false
  /** The method of the submodule whose calls are hooked. Default: `forward`. */
  method?: string
}

/** Options of a hook that replaces. */
export interface ReplaceOptions {
  /** True for a hook that is called in the middle of the forward, which continues with what the hook returns. */
  replace: true
  /** The method of the submodule whose calls are hooked. Default: `forward`. */
  method?: string
}

interface Registration {
  readonly tap: NativeTap
  readonly listener: (event: PreHookEvent & HookEvent) => unknown
  active: boolean
}

/** The hooks as they are at the moment of a call, in the form that the call needs. */
export interface HookSnapshot {
  taps: NativeTap[]
  replace: ((tap: number, value: NativeValue) => NativeValue) | undefined
  /** Calls the hooks that observe. Returns a promise for the asynchronous ones, or undefined if there are none. */
  deliver: (captures: [tap: number, value: NativeValue][]) => Promise<unknown> | undefined
}

/**
 * The hooks of one module. For a hook that observes, values are captured natively, without a stop in JavaScript, and delivered after the
 * forward in the order of the calls. A hook that replaces is called in the middle of the forward.
 */
export class HookRegistry {
  readonly #registrations: Set<Registration>

  /** The replacing hooks that must not be removed. */
  readonly #fixed: readonly Registration[]

  /**
   * @param first the hooks to begin with; they hold until they are removed where they were added
   * @param fixed whether calls are refused after one of these that replaces was removed, since the module then computes something else
   */
  constructor(first: readonly Registration[] = [], fixed = false) {
    this.#registrations = new Set(first)
    this.#fixed = fixed ? first.filter(({ tap }) => tap.replaces) : []
  }

  get isEmpty(): boolean {
    return this.active().length === 0
  }

  /** The hooks that have not been removed, in the order in which they were added. */
  active(): Registration[] {
    return [...this.#registrations].filter(({ active }) => active)
  }

  /**
   * @param path the path or glob as it was given: the submodule of a path must be called, those that a glob matches need not be
   * @param paths the paths of the submodules that it matches
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
    const removed = this.#fixed.find(({ active }) => !active)
    if (removed !== undefined) {
      throw new SosError(
        'ERR_BUSY',
        `the hook on '${removed.tap.path}' that replaces was removed during an evaluation, capture or shift of the module, whose result would then come from two different models; await that task before you remove the hook`,
      )
    }
    const registrations = this.active()
    const callListener = ({ tap, listener, active }: Registration, native: NativeValue): unknown => {
      if (!active) return undefined
      const value = fromNative(native)
      // A hook uses one of the two, depending on its kind.
      return listener({ path: tap.path, inputs: value as Value[], output: value })
    }
    const replaces = registrations.some(({ tap }) => tap.replaces)
    return {
      taps: registrations.map(({ tap }) => tap),
      // Bound to the context of the call: a scope, noGrad and the like hold for its hooks too.
      replace: replaces
        ? AsyncResource.bind((tap: number, native: NativeValue) => {
            const registration = registrations[tap]!
            return checkedReplacement(registration.tap, callListener(registration, native))
          })
        : undefined,
      deliver: (captures) => {
        const answers = captures.map(([tap, native]) => callListener(registrations[tap]!, native))
        return answers.some(isThenable) ? Promise.all(answers) : undefined
      },
    }
  }
}

const isThenable = (value: unknown): boolean =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

function checkedReplacement({ path, before }: NativeTap, answer: unknown): NativeValue {
  if (answer === undefined) return undefined
  if (answer instanceof Promise) {
    throw new SosError(
      'ERR_HOOK_RESULT',
      `expected the hook on '${path}' to return its result but it returned a promise; the forward waits for this hook, so make it synchronous`,
    )
  }
  return toNative(before && !Array.isArray(answer) ? [answer] : answer)
}

/** Selects the paths that a path or glob matches: `*` and `?` match within a name, `**` also across dots. */
export function matchPaths(glob: string, paths: readonly string[]): string[] {
  expectText('path', glob)
  if (!/[*?]/.test(glob)) return paths.filter((path) => path === glob)
  return paths.filter((path) => matchesGlob(glob, path))
}
