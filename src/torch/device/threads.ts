import { whole } from '../../base/index.js'
import { binding } from '../native/binding.js'

const threadCount = whole(1, 2 ** 31 - 1)

/**
 * The number of threads that one operator may use. As Python's `torch.get_num_threads()`.
 *
 * @returns at least 1
 */
export function getNumThreads(): number {
  return binding.getNumThreads()
}

/**
 * Sets the number of threads that one operator may use. As Python's `torch.set_num_threads(threads)`.
 *
 * It holds for calls off the event loop, and for synchronous operators on at least 131,072 elements; smaller ones use one thread. Other
 * workers use the new number from their next task on.
 *
 * @param threads at least 1
 * @throws `ERR_INVALID_ARGUMENT` unless `threads` is a whole number of at least 1
 * @example
 * torch.setNumThreads(torch.getNumThreads())
 */
export function setNumThreads(threads: number): void {
  threadCount('threads', threads)
  binding.setNumThreads(threads)
}

/**
 * The number of threads for tasks that TorchScript forks. As Python's `torch.get_num_interop_threads()`.
 *
 * @returns at least 1
 */
export function getNumInteropThreads(): number {
  return binding.getNumInteropThreads()
}

/**
 * Sets the number of threads for tasks that TorchScript forks. It can be set once in a process, before the first fork. As Python's
 * `torch.set_num_interop_threads(threads)`.
 *
 * @param threads at least 1
 * @throws `ERR_INVALID_ARGUMENT` as {@link setNumThreads}, `ERR_TORCH` when it was set before or the threads have started
 */
export function setNumInteropThreads(threads: number): void {
  threadCount('threads', threads)
  binding.setNumInteropThreads(threads)
}
