import { addonPath, binding } from '../native/binding.js'

/** What {@link runtimeInfo} tells. */
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
  /** What decodes JPEG images: `sharp` where the addon was built without libturbojpeg. */
  jpegDecoder: 'libturbojpeg' | 'sharp'
  /** The backends of process groups: none where the addon was built without gloo's headers. */
  processGroups: ('gloo' | 'nccl')[]
  /** Path of the native addon. */
  addon: string
}

/** Which libtorch is loaded, from where, and what it finds on this machine. */
export function runtimeInfo(): RuntimeInfo {
  const jpegDecoder = binding.hasJpegDecoder() ? 'libturbojpeg' : 'sharp'
  const processGroups = binding.processGroupBackends() as RuntimeInfo['processGroups']
  return { ...binding.runtimeInfo(), jpegDecoder, processGroups, addon: addonPath }
}
