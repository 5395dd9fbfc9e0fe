import { addonPath, binding } from './binding.js'
import { ProcessGroup, type ProcessGroupBackend } from './distributed/process-group.js'

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
  processGroups: ProcessGroupBackend[]
  /** Path of the native addon. */
  addon: string
}

/** Which libtorch is loaded, from where, and what it finds on this machine. */
export function runtimeInfo(): RuntimeInfo {
  const jpegDecoder = binding.hasJpegDecoder() ? 'libturbojpeg' : 'sharp'
  const processGroups = ProcessGroup.backends()
  return { ...binding.runtimeInfo(), jpegDecoder, processGroups, addon: addonPath }
}
