import { addonPath, binding } from './binding.js'
import { SosError } from './errors.js'

export interface RuntimeInfo {
  /** Of the libtorch that the addon was built with, as `2.13.0`. */
  torchVersion: string
  /** Path of the libtorch_cpu that is loaded. */
  library: string
  /** `cpu`, then the accelerators that are there, as `cuda:0`. */
  devices: string[]
  /** Intra-operator threads. */
  threads: number
  /** The vector instructions in use, as `AVX2`. */
  cpuCapability: string
  addon: string
}

export function runtimeInfo(): RuntimeInfo {
  return { ...binding.runtimeInfo(), addon: addonPath }
}

/** Sets the number of threads that one operator may use. */
export function setNumThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected a whole number of at least 1 for threads but received ${threads}`,
    )
  }
  binding.setNumThreads(threads)
}
