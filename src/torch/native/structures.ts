/** A place in a module at which a call is listened to (native/core/tapped_graph.h). */
export interface NativeTap {
  path: string
  before: boolean
  method?: string
  replaces: boolean
  /** It is an error where no method of the module calls what is listened to. */
  expected: boolean
  detach: boolean
  reduce?: string
  device?: string
}

/** How images become a network's input (native/core/preprocess.h); 0 for no resizing or no crop. */
export interface NativePreprocess {
  resize: number
  bicubic: boolean
  crop: number
  mean: readonly number[]
  std: readonly number[]
}

/** Which process of which group is to be connected (native/core/process_group.h). */
export interface NativeMeeting {
  host: string
  port: number
  serves: boolean
  prefix: string
  backend: string
  rank: number
  size: number
  /** Milliseconds. */
  timeout: number
}

/** What the driver of CUDA tells of a device, as Python's `torch.cuda.get_device_properties`. */
export interface DeviceProperties {
  /** As `NVIDIA H100 80GB HBM3`. */
  name: string
  /** Compute capability, before and after the point. */
  major: number
  minor: number
  /** Bytes. */
  totalMemory: number
  /** Streaming multiprocessors. */
  multiProcessorCount: number
  /** Threads in a warp. */
  warpSize: number
  /** Threads that one multiprocessor holds at a time. */
  maxThreadsPerMultiProcessor: number
  /** Bytes. */
  l2CacheSize: number
  /** Bytes. */
  sharedMemoryPerBlock: number
  /** Whether it shares the memory of the CPU. */
  integrated: boolean
}
