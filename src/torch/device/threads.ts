import { whole } from '../../base/index.js'
import { binding } from '../native/binding.js'

/** Threads that one operator may use. As Python's `torch.get_num_threads()`. */
export function getNumThreads(): number {
  return binding.getNumThreads()
}

/**
 * Sets the number of threads that one operator may use: for what runs off the event loop, and for synchronous operators on
 * 131,072 elements or more, smaller ones use one. Other workers take it over with their next task. As Python's `torch.set_num_threads(threads)`.
 *
 * @throws `ERR_INVALID_ARGUMENT` for what is no whole number of at least 1
 */
export function setNumThreads(threads: number): void {
  binding.setNumThreads(checked(threads))
}

/** Threads for what TorchScript forks. As Python's `torch.get_num_interop_threads()`. */
export function getNumInteropThreads(): number {
  return binding.getNumInteropThreads()
}

/**
 * Sets the number of threads for what TorchScript forks; once in a process, before the first fork. As Python's
 * `torch.set_num_interop_threads(threads)`.
 *
 * @throws `ERR_INVALID_ARGUMENT` as {@link setNumThreads}, `ERR_TORCH` where it was set before or the threads have started
 */
export function setNumInteropThreads(threads: number): void {
  binding.setNumInteropThreads(checked(threads))
}

function checked(threads: number): number {
  whole(1, 2 ** 31 - 1)('threads', threads)
  return threads
}
