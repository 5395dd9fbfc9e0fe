import { binding, installation } from '../native/binding.js'

/** What {@link runtimeInfo} returns. */
export interface RuntimeInfo {
  /** The version of the libtorch that the addon was built with, for example `2.13.0`. */
  torchVersion: string
  /** The path of the libtorch_cpu library that is loaded. */
  library: string
  /** `cpu`, then the accelerators of this machine, for example `cuda:0`. */
  devices: string[]
  /** The number of threads that one operator may use. */
  threads: number
  /** The vector instructions in use, for example `AVX2`. */
  cpuCapability: string
  /** The library that decodes JPEG images: `sharp` if the addon was built without libturbojpeg. */
  jpegDecoder: 'libturbojpeg' | 'sharp'
  /** The backends of process groups. */
  processGroups: ('gloo' | 'nccl')[]
  /** The path of the native addon. */
  addon: string
}

/**
 * Describes the libtorch that is loaded and the devices that it finds on this machine.
 *
 * @returns versions, paths, devices and what the addon was built with
 * @example
 * console.log(runtimeInfo().devices[0])
 * // → cpu
 */
export function runtimeInfo(): RuntimeInfo {
  const jpegDecoder = binding.hasJpegDecoder() ? 'libturbojpeg' : 'sharp'
  const processGroups = binding.processGroupBackends() as RuntimeInfo['processGroups']
  return { ...binding.runtimeInfo(), jpegDecoder, processGroups, addon: installation.addon }
}
