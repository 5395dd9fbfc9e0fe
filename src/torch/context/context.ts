import { AsyncLocalStorage } from 'node:async_hooks'
import { expectFunction } from '../../base/index.js'

/**
 * The settings for the code that runs now. AsyncLocalStorage keeps them: they hold across `await`, and two tasks that interleave do not
 * see each other's settings.
 */
export interface Context {
  /** libtorch's thread-local modes as one number, which is passed with each native call (native/core/context/modes.h). */
  readonly modes: number
  /** The tensors that were made in the current scope, which frees them at its end; null outside of any scope. */
  readonly scope: Set<Disposable> | null
  /** Cancels asynchronous calls that have not begun; null if there is no signal. */
  readonly signal: AbortSignal | null
  /** Whether gradients are searched for NaN. */
  readonly detectAnomaly: boolean
}

const GRAD = 1
const INFERENCE = 2

const storage = new AsyncLocalStorage<Context>()
const root: Context = { modes: GRAD, scope: null, signal: null, detectAnomaly: false }

/** The settings for the code that runs now. */
export function currentContext(): Context {
  return storage.getStore() ?? root
}

/** Runs `body`, sync or async, with some of the settings changed. */
export function runIn<T>(change: Partial<Context>, body: () => T): T {
  expectFunction('body', body)
  return storage.run({ ...currentContext(), ...change }, body)
}

/**
 * Runs a function without recording operators for gradients. As Python's `torch.no_grad()`.
 *
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function
 * @example
 * const logits = await torch.noGrad(() => model.forward(images))
 * console.log(logits.requiresGrad)
 * // → false
 */
export function noGrad<T>(body: () => T): T {
  return runIn({ modes: currentContext().modes & ~GRAD }, body)
}

/**
 * Runs a function with operators recorded for gradients, also inside `noGrad`. As Python's `torch.enable_grad()`.
 *
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function
 * @example
 * console.log(torch.noGrad(() => torch.enableGrad(() => torch.isGradEnabled())))
 * // → true
 */
export function enableGrad<T>(body: () => T): T {
  return runIn({ modes: currentContext().modes | GRAD }, body)
}

/**
 * Whether operators are recorded for gradients here. As Python's `torch.is_grad_enabled()`.
 *
 * @returns true unless the code runs in `noGrad` or `inferenceMode`
 */
export function isGradEnabled(): boolean {
  return (currentContext().modes & GRAD) !== 0
}

/**
 * Runs a function as `noGrad` does, and makes the tensors in it inference tensors. These lack the counters that autograd needs: they are
 * cheaper, and autograd refuses them from then on. As Python's `torch.inference_mode(mode)`.
 *
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @param mode false to leave an `inferenceMode` around the call and to record gradients again. Default: true.
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function
 * @example
 * console.log(torch.inferenceMode(() => torch.ones([2]).is_inference()))
 * // → true
 */
export function inferenceMode<T>(body: () => T, mode = true): T {
  const { modes } = currentContext()
  return runIn({ modes: mode ? (modes | INFERENCE) & ~GRAD : (modes | GRAD) & ~INFERENCE }, body)
}

/**
 * Whether the code runs in {@link inferenceMode}. As Python's `torch.is_inference_mode_enabled()`.
 *
 * @returns true inside of `inferenceMode`
 */
export function isInferenceModeEnabled(): boolean {
  return (currentContext().modes & INFERENCE) !== 0
}

/**
 * Runs a function in which a gradient that contains NaN is an error. The error names the operator whose backward produced it. Gradients are
 * slower. As Python's `torch.autograd.detect_anomaly()`.
 *
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function; gradients in it reject with `ERR_TORCH`
 * @example
 * const zero = torch.zeros([1]).requires_grad_()
 * const error = await torch.autograd
 *   .detectAnomaly(() => torch.autograd.grad([zero.sqrt().mul(0).sum()], [zero]))
 *   .catch((error) => error)
 * console.log(error.message)
 * // → Function 'SqrtBackward0' returned nan values in its 0th output.
 */
export function detectAnomaly<T>(body: () => T): T {
  return runIn({ detectAnomaly: true }, body)
}

/**
 * Runs a function as `enableGrad` or as `noGrad` does. As Python's `torch.set_grad_enabled(mode)`.
 *
 * @param mode whether operators are recorded for gradients
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function
 */
export function setGradEnabled<T>(mode: boolean, body: () => T): T {
  return mode ? enableGrad(body) : noGrad(body)
}
