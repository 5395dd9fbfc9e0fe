import { binding } from '../native/binding.js'
import type { Device } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'
import { fromSeed, type Seed, toSeed } from './generator.js'

/**
 * Seeds the default generators of the CPU and of all accelerators, which operators without a generator use. They then draw the numbers that
 * Python draws after `torch.manual_seed(seed)`. All workers of a process share the default generators.
 *
 * @param seed where they begin
 * @throws `ERR_INVALID_ARGUMENT` for an invalid seed
 * @example
 * torch.manualSeed(0)
 * console.log(torch.rand([2]))
 * // → tensor([0.4963, 0.7682])
 */
export function manualSeed(seed: Seed): void {
  binding.manualSeed(toSeed(seed))
}

/**
 * Seeds the default generators of all devices from a random seed of the operating system. As Python's `torch.seed()`.
 *
 * @returns the seed
 */
export function seed(): Seed {
  const drawn = binding.generatorSeed(binding.defaultGenerator('cpu'))
  binding.manualSeed(drawn)
  return fromSeed(drawn)
}

/**
 * The seed from which the default generator of the CPU last began. As Python's `torch.initial_seed()`.
 *
 * @returns a number, or a bigint for a seed beyond 2^53
 */
export function initialSeed(): Seed {
  return fromSeed(binding.generatorInitialSeed(binding.defaultGenerator('cpu')))
}

/**
 * The state of a default generator: its place in its sequence. As Python's `torch.get_rng_state()` and `torch.cuda.get_rng_state(device)`.
 *
 * @param device the device whose generator is meant. Default: `cpu`.
 * @returns the same bytes as in Python, a uint8 tensor on the CPU
 * @throws `ERR_DEVICE` for a device that does not exist
 * @example
 * const state = torch.getRngState()
 * const first = torch.rand([3])
 * torch.setRngState(state)
 * console.log(torch.equal(first, torch.rand([3])))
 * // → true
 */
export function getRngState(device: Device = 'cpu'): Tensor {
  return new Tensor(binding.generatorGetState(binding.defaultGenerator(device)))
}

/**
 * Sets the state of a default generator. As Python's `torch.set_rng_state(state)` and `torch.cuda.set_rng_state(state, device)`.
 *
 * @param state what {@link getRngState} returned, here or in Python
 * @param device the device whose generator is meant. Default: `cpu`.
 * @throws `ERR_DEVICE` for a device that does not exist, `ERR_TORCH` for bytes that are not a state
 */
export function setRngState(state: Tensor, device: Device = 'cpu'): void {
  binding.generatorSetState(binding.defaultGenerator(device), handleOf(state))
}
