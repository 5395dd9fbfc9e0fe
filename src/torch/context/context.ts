import { AsyncLocalStorage } from 'node:async_hooks'
import { expectFunction } from '../../base/index.js'

/**
 * What holds for the code that runs now. It is kept by AsyncLocalStorage: it lasts across `await`, and two tasks that
 * interleave do not see each other's.
 */
export interface Context {
  /** libtorch's thread-local modes as one number, which each native call takes along (native/core/modes.h). */
  readonly modes: number
  /** What is made here, the tensors, is noted in this set, to be disposed of when the scope ends. */
  readonly scope: Set<Disposable> | null
  /** Ends asynchronous calls that have not begun. */
  readonly signal: AbortSignal | null
  /** Whether gradients are searched for NaN. */
  readonly detectAnomaly: boolean
}

const GRAD = 1
const INFERENCE = 2

const storage = new AsyncLocalStorage<Context>()
const root: Context = { modes: GRAD, scope: null, signal: null, detectAnomaly: false }

export function currentContext(): Context {
  return storage.getStore() ?? root
}

export function runIn<T>(change: Partial<Context>, body: () => T): T {
  expectFunction('body', body)
  return storage.run({ ...currentContext(), ...change }, body)
}

/** Runs `body`, sync or async, without recording operators for gradients. As Python's `torch.no_grad()`. */
export function noGrad<T>(body: () => T): T {
  return runIn({ modes: currentContext().modes & ~GRAD }, body)
}

/** Runs `body`, sync or async, recording operators for gradients, also inside `noGrad`. As `torch.enable_grad()`. */
export function enableGrad<T>(body: () => T): T {
  return runIn({ modes: currentContext().modes | GRAD }, body)
}

/** As Python's `torch.is_grad_enabled()`. */
export function isGradEnabled(): boolean {
  return (currentContext().modes & GRAD) !== 0
}

/**
 * Runs `body`, sync or async, as `noGrad`, and the tensors made in it are inference tensors: without the counters that
 * autograd needs, so cheaper, and refused by it ever after. With `mode` false the code inside an `inferenceMode` is taken
 * out of it again, gradients included. As Python's `torch.inference_mode(mode)`.
 */
export function inferenceMode<T>(body: () => T, mode = true): T {
  const { modes } = currentContext()
  return runIn({ modes: mode ? (modes | INFERENCE) & ~GRAD : (modes | GRAD) & ~INFERENCE }, body)
}

/** As Python's `torch.is_inference_mode_enabled()`. */
export function isInferenceModeEnabled(): boolean {
  return (currentContext().modes & INFERENCE) !== 0
}

/**
 * Runs `body`, sync or async, in which a gradient that holds NaN is an error that names the operator whose backward made it,
 * as Python's `torch.autograd.detect_anomaly()`. It slows gradients down.
 */
export function detectAnomaly<T>(body: () => T): T {
  return runIn({ detectAnomaly: true }, body)
}

/** Runs `body` with operators recorded for gradients, or not. As Python's `torch.set_grad_enabled(mode)`. */
export function setGradEnabled<T>(mode: boolean, body: () => T): T {
  return mode ? enableGrad(body) : noGrad(body)
}
