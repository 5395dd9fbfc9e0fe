import { binding } from '../native/binding.js'

/** What {@link memoryStats} returns. */
export interface MemoryStats {
  /** How many tensors of this environment (the main thread or a worker) have not been freed. */
  readonly tensors: number
  /** The bytes of their elements. */
  readonly bytes: number
  /**
   * CPU memory, in bytes, that all tensors of the process use, in all of its threads. Tensors that only a module or a graph of gradients
   * holds are counted too.
   */
  readonly allocatedBytes: number
  /** CPU memory, in bytes, that no tensor uses and that the process keeps for later tensors. */
  readonly cachedBytes: number
}

/**
 * Counts the tensors that JavaScript holds in this environment, and their memory. Tensors that only a module or a graph of gradients
 * holds are in `allocatedBytes` alone.
 *
 * @returns the numbers at the moment of the call
 * @example
 * const before = memoryStats()
 * using ones = torch.ones([1000])
 * console.log(memoryStats().bytes - before.bytes)
 * // → 4000
 */
export function memoryStats(): MemoryStats {
  return binding.memoryStats()
}

/**
 * Returns the CPU memory that is kept for later tensors to the operating system. `torch.cuda.emptyCache()` does the same for GPUs.
 *
 * Most programs never need it. The memory that tensors use and the memory that is kept are together never much more than what tensors
 * used at once in the last half minute of work. Call it in a program that has worked on much data and now waits.
 *
 * @example
 * emptyCache()
 * console.log(memoryStats().cachedBytes)
 * // → 0
 */
export function emptyCache(): void {
  binding.emptyCache('cpu')
}
