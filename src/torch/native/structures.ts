/** A hook on the calls of a submodule (native/core/script/tapped_graph.h). */
export interface NativeTap {
  path: string
  before: boolean
  method?: string
  replaces: boolean
  /** Whether it is an error if no method of the module calls the submodule. */
  expected: boolean
  detach: boolean
  reduce?: string
  device?: string
}

/** How images are preprocessed (native/core/image/preprocess.h). `resize` and `crop` are 0 for none. */
export interface NativePreprocess {
  resize: number
  bicubic: boolean
  crop: number
  mean: readonly number[]
  std: readonly number[]
}

/** How a process connects with its group (native/core/distributed/process_group.h). */
export interface NativeMeeting {
  host: string
  port: number
  serves: boolean
  prefix: string
  backend: string
  rank: number
  size: number
  /** In milliseconds. */
  timeout: number
}

/** The properties of a CUDA device, as Python's `torch.cuda.get_device_properties`. */
export interface DeviceProperties {
  /** The name, for example `NVIDIA H100 80GB HBM3`. */
  name: string
  /** The compute capability, before the point. */
  major: number
  /** The compute capability, after the point. */
  minor: number
  /** The memory of the device, in bytes. */
  totalMemory: number
  /** The number of streaming multiprocessors. */
  multiProcessorCount: number
  /** The number of threads in a warp. */
  warpSize: number
  /** The most threads that a multiprocessor holds at a time. */
  maxThreadsPerMultiProcessor: number
  /** The size of the L2 cache, in bytes. */
  l2CacheSize: number
  /** The shared memory of a block, in bytes. */
  sharedMemoryPerBlock: number
  /** Whether the device shares the memory of the CPU. */
  integrated: boolean
}
