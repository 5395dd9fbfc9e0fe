import { SosError, shown } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { DeviceProperties } from '../native/structures.js'
import type { Device } from '../tensor/dtype.js'
import type { Tensor } from '../tensor/tensor.js'
import { fromSeed, type Seed, toSeed } from './generator.js'
import * as random from './random.js'

/** A CUDA device: its index, or `cuda` (the current one) or `cuda:1`. */
export type CudaDevice = number | Device

function deviceName(device: CudaDevice = 'cuda'): Device {
  if (typeof device === 'number' && Number.isSafeInteger(device) && device >= 0) return `cuda:${device}`
  if (typeof device === 'string' && /^cuda(:\d+)?$/.test(device)) return device as Device
  throw new SosError(
    'ERR_DEVICE',
    `expected a CUDA device, as 'cuda:0' or its index, but received ${shown(device)}`,
  )
}

/** As Python's `torch.cuda.is_available()`: whether libtorch was built with CUDA and there is a device. */
function isAvailable(): boolean {
  return deviceCount() > 0
}

/** As Python's `torch.cuda.device_count()`. */
function deviceCount(): number {
  return binding.deviceCount('cuda')
}

/** The index of the device that `cuda` stands for. As Python's `torch.cuda.current_device()`. */
function currentDevice(): number {
  return binding.currentDevice('cuda')
}

/** As Python's `torch.cuda.get_device_properties(device)`. Throws `ERR_DEVICE` where the driver of CUDA does not know it. */
function getDeviceProperties(device?: CudaDevice): DeviceProperties {
  const properties = binding.deviceProperties(deviceName(device))
  if (properties !== null) return properties
  throw new SosError('ERR_DEVICE', `the driver of CUDA does not tell what ${deviceName(device)} is`)
}

/** As Python's `torch.cuda.get_device_name(device)`. */
function getDeviceName(device?: CudaDevice): string {
  return getDeviceProperties(device).name
}

/** The compute capability. As Python's `torch.cuda.get_device_capability(device)`. */
function getDeviceCapability(device?: CudaDevice): [major: number, minor: number] {
  const { major, minor } = getDeviceProperties(device)
  return [major, minor]
}

/**
 * Waits, off the event loop, for what this environment has queued before and for all that the device was given. As Python's
 * `torch.cuda.synchronize(device)`.
 */
function synchronize(device?: CudaDevice): Promise<void> {
  return onLane(() => binding.synchronize(deviceName(device)))
}

/** The allocator's counts by Python's names, as `allocated_bytes.all.peak`. As `torch.cuda.memory_stats(device)`. */
function memoryStats(device?: CudaDevice): Record<string, number> {
  return binding.deviceMemoryStats(deviceName(device))
}

/** Bytes that tensors hold. As Python's `torch.cuda.memory_allocated(device)`. */
function memoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)['allocated_bytes.all.current']!
}

/** The most bytes that tensors held since the start or {@link resetPeakMemoryStats}. As `max_memory_allocated`. */
function maxMemoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)['allocated_bytes.all.peak']!
}

/** Bytes that the allocator holds, for tensors or as cache. As Python's `torch.cuda.memory_reserved(device)`. */
function memoryReserved(device?: CudaDevice): number {
  return memoryStats(device)['reserved_bytes.all.current']!
}

/** As Python's `torch.cuda.max_memory_reserved(device)`. */
function maxMemoryReserved(device?: CudaDevice): number {
  return memoryStats(device)['reserved_bytes.all.peak']!
}

/** As Python's `torch.cuda.reset_peak_memory_stats(device)`. */
function resetPeakMemoryStats(device?: CudaDevice): void {
  binding.resetPeakMemoryStats(deviceName(device))
}

/** As Python's `torch.cuda.reset_accumulated_memory_stats(device)`. */
function resetAccumulatedMemoryStats(device?: CudaDevice): void {
  binding.resetAccumulatedMemoryStats(deviceName(device))
}

/** Bytes of the device that are free, for whoever takes them, and all that it has. As `torch.cuda.mem_get_info(device)`. */
function memGetInfo(device?: CudaDevice): [free: number, total: number] {
  return binding.deviceMemoryInfo(deviceName(device))
}

/** Gives cached memory that no tensor uses back to the devices. Does nothing where there are none. As `empty_cache()`. */
function emptyCache(): void {
  if (isAvailable()) binding.emptyCache('cuda')
}

/** Seeds the current device's source. Does nothing where there is none. As Python's `torch.cuda.manual_seed(seed)`. */
function manualSeed(seed: Seed): void {
  const bits = toSeed(seed)
  if (isAvailable()) binding.generatorSetSeed(binding.defaultGenerator('cuda'), bits)
}

/** Seeds the sources of all devices. As Python's `torch.cuda.manual_seed_all(seed)`. */
function manualSeedAll(seed: Seed): void {
  const bits = toSeed(seed)
  for (let index = 0; index < deviceCount(); index++) {
    binding.generatorSetSeed(binding.defaultGenerator(`cuda:${index}`), bits)
  }
}

/** As Python's `torch.cuda.initial_seed()`. */
function initialSeed(): Seed {
  return fromSeed(binding.generatorInitialSeed(binding.defaultGenerator('cuda')))
}

/** As Python's `torch.cuda.get_rng_state(device)`. */
function getRngState(device?: CudaDevice): Tensor {
  return random.getRngState(deviceName(device))
}

/** As Python's `torch.cuda.set_rng_state(state, device)`. */
function setRngState(state: Tensor, device?: CudaDevice): void {
  random.setRngState(state, deviceName(device))
}

/**
 * CUDA's devices, as Python's `torch.cuda`. A device that is not there throws `ERR_DEVICE`, save where a function says
 * that it does nothing.
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
