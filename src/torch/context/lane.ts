import { count } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { currentContext, runIn } from './context.js'

/**
 * Submits native work to this environment's lane and waits for it. An error made on the native side carries no JavaScript
 * frames: it is given those of the caller, taken before the work began.
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
 * Runs `body`, in which asynchronous calls (forwards, gradients, `torch.async`, loads) that have not begun when `signal`
 * aborts are rejected with its reason. What has begun is finished: an operator cannot be stopped halfway. Within another
 * `withSignal` the inner signal alone holds; `AbortSignal.any` joins two.
 *
 * @example
 * await withSignal(AbortSignal.timeout(1000), () => model.forward(x))
 */
export function withSignal<T>(signal: AbortSignal, body: () => T): T {
  return runIn({ signal }, body)
}

/** Asynchronous calls of this environment that have not been answered. */
export function pendingCalls(): number {
  return binding.pendingTasks()
}

/**
 * How many asynchronous calls may be pending at a time; one more is rejected with `ERR_QUEUE_FULL`. Each holds its
 * arguments and results in memory. Default: 4096. Each environment has its own.
 *
 * @throws `ERR_INVALID_ARGUMENT` for what is no whole number of at least 1
 */
export function setQueueLimit(limit: number): void {
  count('limit', limit)
  binding.setQueueLimit(limit)
}
