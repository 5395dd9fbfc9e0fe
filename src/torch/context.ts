import { AsyncLocalStorage } from 'node:async_hooks'

import type { Tensor } from './tensor.js'

/**
 * What holds for the code that runs now. It is kept by AsyncLocalStorage: it lasts across `await`, and two tasks that
 * interleave do not see each other's.
 */
export interface Context {
  readonly gradEnabled: boolean
  /** Tensors made here are noted in this set, to be disposed of when the scope ends. */
  readonly scope: Set<Tensor> | null
}

const storage = new AsyncLocalStorage<Context>()
const root: Context = { gradEnabled: true, scope: null }

export function currentContext(): Context {
  return storage.getStore() ?? root
}

export function runIn<T>(change: Partial<Context>, body: () => T): T {
  return storage.run({ ...currentContext(), ...change }, body)
}

/** Runs `body`, sync or async, without recording operators for gradients. */
export function noGrad<T>(body: () => T): T {
  return runIn({ gradEnabled: false }, body)
}

/** Runs `body`, sync or async, recording operators for gradients, also inside `noGrad`. */
export function enableGrad<T>(body: () => T): T {
  return runIn({ gradEnabled: true }, body)
}

export function isGradEnabled(): boolean {
  return currentContext().gradEnabled
}
