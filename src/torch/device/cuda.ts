import { SosError, shown } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { DeviceProperties } from '../native/structures.js'
import type { Device } from '../tensor/dtype.js'
import type { Tensor } from '../tensor/tensor.js'
import { fromSeed, type Seed, toSeed } from './generator.js'
import * as random from './random.js'

/** A CUDA device: its index, or its name, for example `cuda:1`; `cuda` is the current device. */
export type CudaDevice = number | Device

function deviceName(device: CudaDevice = 'cuda'): Device {
  if (typeof device === 'number' && Number.isSafeInteger(device) && device >= 0) return `cuda:${device}`
  if (typeof device === 'string' && /^cuda(:\d+)?$/.test(device)) return device as Device
  throw new SosError(
    'ERR_DEVICE',
    `expected a CUDA device, such as 'cuda:0' or its index, but received ${shown(device)}`,
  )
}

/** Whether libtorch was built with CUDA and there is a device. As Python's `torch.cuda.is_available()`. */
function isAvailable(): boolean {
  return deviceCount() > 0
}

/** The number of CUDA devices. As Python's `torch.cuda.device_count()`. */
function deviceCount(): number {
  return binding.deviceCount('cuda')
}

/** The index of the device that `cuda` means. As Python's `torch.cuda.current_device()`. */
function currentDevice(): number {
  return binding.currentDevice('cuda')
}

/**
 * The properties of a device, as CUDA's driver reports them. As Python's `torch.cuda.get_device_properties(device)`.
 *
 * @throws `ERR_DEVICE` when the driver does not report them
 */
function getDeviceProperties(device?: CudaDevice): DeviceProperties {
  const properties = binding.deviceProperties(deviceName(device))
  if (properties !== null) return properties
  throw new SosError('ERR_DEVICE', `CUDA's driver does not report the properties of ${deviceName(device)}`)
}

/** The name of a device, for example `NVIDIA H100 80GB HBM3`. As Python's `torch.cuda.get_device_name(device)`. */
function getDeviceName(device?: CudaDevice): string {
  return getDeviceProperties(device).name
}

/** The compute capability of a device. As Python's `torch.cuda.get_device_capability(device)`. */
function getDeviceCapability(device?: CudaDevice): [major: number, minor: number] {
  const { major, minor } = getDeviceProperties(device)
  return [major, minor]
}

/**
 * Waits, off the event loop, for the calls that this environment made before and for all work of the device. As Python's
 * `torch.cuda.synchronize(device)`.
 */
function synchronize(device?: CudaDevice): Promise<void> {
  return onLane(() => binding.synchronize(deviceName(device)))
}

/**
 * The counts of the allocator by Python's names, for example `allocated_bytes.all.peak`. As Python's `torch.cuda.memory_stats(device)`.
 */
function memoryStats(device?: CudaDevice): Record<string, number> {
  return binding.deviceMemoryStats(deviceName(device))
}

/** The bytes that tensors use. As Python's `torch.cuda.memory_allocated(device)`. */
function memoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)['allocated_bytes.all.current']!
}

/**
 * The most bytes that tensors used at once, since the start or the last {@link resetPeakMemoryStats}. As Python's
 * `torch.cuda.max_memory_allocated(device)`.
 */
function maxMemoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)['allocated_bytes.all.peak']!
}

/** The bytes that the allocator holds, for tensors and as cache. As Python's `torch.cuda.memory_reserved(device)`. */
function memoryReserved(device?: CudaDevice): number {
  return memoryStats(device)['reserved_bytes.all.current']!
}

/**
 * The most bytes that the allocator held at once, since the start or the last {@link resetPeakMemoryStats}. As Python's
 * `torch.cuda.max_memory_reserved(device)`.
 */
function maxMemoryReserved(device?: CudaDevice): number {
  return memoryStats(device)['reserved_bytes.all.peak']!
}

/** Restarts the peaks of the memory counts. As Python's `torch.cuda.reset_peak_memory_stats(device)`. */
function resetPeakMemoryStats(device?: CudaDevice): void {
  binding.resetPeakMemoryStats(deviceName(device))
}

/** Restarts the accumulated memory counts. As Python's `torch.cuda.reset_accumulated_memory_stats(device)`. */
function resetAccumulatedMemoryStats(device?: CudaDevice): void {
  binding.resetAccumulatedMemoryStats(deviceName(device))
}

/** The bytes of the device that are free for any process, and all its bytes. As Python's `torch.cuda.mem_get_info(device)`. */
function memGetInfo(device?: CudaDevice): [free: number, total: number] {
  return binding.deviceMemoryInfo(deviceName(device))
}

/**
 * Returns cached memory that no tensor uses to the devices. Does nothing if there is no device. As Python's `torch.cuda.empty_cache()`.
 */
function emptyCache(): void {
  if (isAvailable()) binding.emptyCache('cuda')
}

/**
 * Seeds the default generator of the current device. Does nothing if there is no device. As Python's `torch.cuda.manual_seed(seed)`.
 */
function manualSeed(seed: Seed): void {
  const bits = toSeed(seed)
  if (isAvailable()) binding.generatorSetSeed(binding.defaultGenerator('cuda'), bits)
}

/** Seeds the default generators of all CUDA devices. As Python's `torch.cuda.manual_seed_all(seed)`. */
function manualSeedAll(seed: Seed): void {
  const bits = toSeed(seed)
  for (let index = 0; index < deviceCount(); index++) {
    binding.generatorSetSeed(binding.defaultGenerator(`cuda:${index}`), bits)
  }
}

/** The seed from which the default generator of the current device last began. As Python's `torch.cuda.initial_seed()`. */
function initialSeed(): Seed {
  return fromSeed(binding.generatorInitialSeed(binding.defaultGenerator('cuda')))
}

/** The state of a device's default generator. As Python's `torch.cuda.get_rng_state(device)`. */
function getRngState(device?: CudaDevice): Tensor {
  return random.getRngState(deviceName(device))
}

/** Sets the state of a device's default generator. As Python's `torch.cuda.set_rng_state(state, device)`. */
function setRngState(state: Tensor, device?: CudaDevice): void {
  random.setRngState(state, deviceName(device))
}

/**
 * The CUDA devices of this machine, as Python's `torch.cuda`. For a device that does not exist, functions throw `ERR_DEVICE`, except those
 * that say that they do nothing then. Where a function takes a device, the default is the current one.
 */
export const cuda = Object.freeze({
  isAvailable,
  deviceCount,
  currentDevice,
  getDeviceProperties,
  getDeviceName,
  getDeviceCapability,
  synchronize,
  memoryStats,
  memoryAllocated,
  maxMemoryAllocated,
  memoryReserved,
  maxMemoryReserved,
  resetPeakMemoryStats,
  resetAccumulatedMemoryStats,
  memGetInfo,
  emptyCache,
  manualSeed,
  manualSeedAll,
  initialSeed,
  getRngState,
  setRngState,
})
