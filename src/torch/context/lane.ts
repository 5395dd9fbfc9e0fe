import { count } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { currentContext, runIn } from './context.js'

/**
 * Submits native work to the lane of this environment and waits for it. An error from native code has no JavaScript stack frames: it is
 * given those of the caller, which are taken before the work begins.
 */
export async function onLane<T>(submit: () => Promise<T>): Promise<T> {
  const { signal } = currentContext()
  signal?.throwIfAborted()
  const caller = new Error()
  const work = submit()
  const cancel = signal === null ? undefined : cancellation(signal)
  try {
    return await work
  } catch (error) {
    if (error instanceof Error && !error.stack?.includes('\n    at ')) {
      const frames = caller.stack?.split('\n').slice(2).join('\n') ?? ''
      error.stack = `${error.name}: ${error.message}\n${frames}`
    }
    throw error
  } finally {
    if (cancel !== undefined) signal?.removeEventListener('abort', cancel)
  }
}

function cancellation(signal: AbortSignal): () => void {
  const task = binding.lastTask()
  const cancel = () => binding.cancelTask(task, signal.reason)
  signal.addEventListener('abort', cancel, { once: true })
  return cancel
}

/**
 * Runs a function whose asynchronous calls (forwards, gradients, `torch.async`, loads) can be cancelled. When the signal aborts, calls that
 * have not begun are rejected with its reason. A call that has begun is finished, since an operator cannot be stopped halfway.
 *
 * @param signal the signal. Inside another `withSignal` only the inner signal holds; `AbortSignal.any` joins two.
 * @param body a synchronous or asynchronous function; the signal holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function; calls that are cancelled reject with the reason of the signal
 * @example
 * const logits = await withSignal(AbortSignal.timeout(60_000), () => model.forward(images))
 * console.log(logits.shape)
 * // → [ 8, 10 ]
 */
export function withSignal<T>(signal: AbortSignal, body: () => T): T {
  return runIn({ signal }, body)
}

/**
 * Counts the asynchronous calls of this environment (the main thread or a worker) that are pending.
 *
 * @returns how many calls have neither been fulfilled nor rejected
 * @example
 * const pending = torch.async.ones([2])
 * console.log(pendingCalls())
 * // → 1
 * await pending
 */
export function pendingCalls(): number {
  return binding.pendingTasks()
}

/**
 * Sets how many asynchronous calls may be pending at a time. Further calls are rejected with `ERR_QUEUE_FULL`. Each pending call keeps its
 * arguments and results in memory. Each environment (the main thread or a worker) has a limit of its own.
 *
 * @param limit at least 1. The limit at the start is 4096.
 * @throws `ERR_INVALID_ARGUMENT` unless `limit` is a whole number of at least 1
 * @example
 * setQueueLimit(10_000)
 */
export function setQueueLimit(limit: number): void {
  count('limit', limit)
  binding.setQueueLimit(limit)
}
