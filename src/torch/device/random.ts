import { binding } from '../native/binding.js'
import type { Device } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'
import { fromSeed, type Seed, toSeed } from './generator.js'

/**
 * Seeds what operators draw from when they are given no generator, on the CPU and on all accelerators: from then on they
 * draw the numbers that Python draws after `torch.manual_seed(seed)`. All workers of a process draw from the same source.
 *
 * @throws `ERR_INVALID_ARGUMENT` for a seed that is none
 */
export function manualSeed(seed: Seed): void {
  binding.manualSeed(toSeed(seed))
}

/** Seeds all devices from the system's randomness, and returns the seed. As Python's `torch.seed()`. */
export function seed(): Seed {
  const drawn = binding.generatorSeed(binding.defaultGenerator('cpu'))
  binding.manualSeed(drawn)
  return fromSeed(drawn)
}

/** The seed that the CPU's source last began from. As Python's `torch.initial_seed()`. */
export function initialSeed(): Seed {
  return fromSeed(binding.generatorInitialSeed(binding.defaultGenerator('cpu')))
}

/**
 * Where the source of `device` is in its sequence: bytes in a CPU tensor, the same as Python's `torch.get_rng_state()` and
 * `torch.cuda.get_rng_state(device)`.
 *
 * @throws `ERR_DEVICE` for a device that is not there
 */
export function getRngState(device: Device = 'cpu'): Tensor {
  return new Tensor(binding.generatorGetState(binding.defaultGenerator(device)))
}

/**
 * Makes the source of `device` go on from a state, of {@link getRngState} or of Python.
 *
 * @throws `ERR_DEVICE` for a device that is not there, `ERR_TORCH` for bytes that are no state
 */
export function setRngState(state: Tensor, device: Device = 'cpu'): void {
  binding.generatorSetState(binding.defaultGenerator(device), handleOf(state))
}
