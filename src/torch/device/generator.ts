import { expectObject, notSerializable, SosError, shown } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { GeneratorHandle } from '../native/handles.js'
import type { Device } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** A whole number from −2^63 to 2^64 − 1. A negative seed means itself plus 2^64, as in Python. */
export type Seed = number | bigint

/** The seed that libtorch gives to a generator without one. */
const DEFAULT_SEED = 67280421310721

let readHandle: (generator: Generator) => GeneratorHandle

/**
 * A generator of random numbers. From the same seed and on the same device it draws the numbers that Python's `torch.Generator(device)`
 * draws. Operators that draw random numbers take it as `{ generator }`.
 *
 * @example
 * const generator = new torch.Generator(0)
 * console.log(torch.rand([2], { generator }))
 * // → tensor([0.4963, 0.7682])
 */
export class Generator {
  readonly #handle: GeneratorHandle

  /** As {@link Tensor.id}: comparisons field by field find no two generators equal, and generators cannot be cloned. */
  readonly id: () => string = () => 'A Generator: post the toTypedArray() of its getState()'

  static {
    readHandle = (generator) => generator.#handle
  }

  /**
   * Makes a generator.
   *
   * @param seed where it begins. Default: 67280421310721, libtorch's default.
   * @param options.device the device on which it draws. Default: `cpu`.
   * @throws `ERR_INVALID_ARGUMENT` for an invalid seed, `ERR_DEVICE` for a device that does not exist
   */
  constructor(seed: Seed = DEFAULT_SEED, options: { device?: Device } = {}) {
    expectObject('options', options)
    this.#handle = binding.createGenerator(options.device ?? 'cpu', toSeed(seed))
  }

  /** The device on which it draws, for example `cpu` or `cuda:0`. */
  get device(): Device {
    return binding.generatorDevice(this.#handle)
  }

  /**
   * Restarts the generator from a seed. As Python's `generator.manual_seed(seed)`.
   *
   * @param seed where it begins
   * @returns the generator itself
   * @throws `ERR_INVALID_ARGUMENT` for an invalid seed
   */
  manualSeed(seed: Seed): this {
    binding.generatorSetSeed(this.#handle, toSeed(seed))
    return this
  }

  /**
   * Restarts the generator from a random seed of the operating system. As Python's `generator.seed()`.
   *
   * @returns the seed
   */
  seed(): Seed {
    return fromSeed(binding.generatorSeed(this.#handle))
  }

  /**
   * The seed from which the generator last began. As Python's `generator.initial_seed()`.
   *
   * @returns a number, or a bigint for a seed beyond 2^53
   */
  initialSeed(): Seed {
    return fromSeed(binding.generatorInitialSeed(this.#handle))
  }

  /**
   * The state of the generator: its place in its sequence. As Python's `generator.get_state()`.
   *
   * @returns the same bytes as in Python, a uint8 tensor on the CPU
   */
  getState(): Tensor {
    return new Tensor(binding.generatorGetState(this.#handle))
  }

  /**
   * Sets the state of the generator.
   *
   * @param state what {@link getState} returned, here or in Python, for a device of the same kind
   * @returns the generator itself
   * @throws `ERR_TORCH` for bytes that are not a state
   */
  setState(state: Tensor): this {
    binding.generatorSetState(this.#handle, handleOf(state))
    return this
  }

  /** Throws `ERR_NOT_SERIALIZABLE`: generators cannot be written as JSON. */
  toJSON(): never {
    throw notSerializable('a Generator', 'getState() returns its state')
  }
}

/** The native object of a generator. */
export function handleOfGenerator(generator: Generator): GeneratorHandle {
  return readHandle(generator)
}

/** A seed as 64 bits, which native code takes. */
export function toSeed(seed: Seed): bigint {
  const whole = typeof seed === 'bigint' || Number.isSafeInteger(seed)
  if (!whole || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected a whole number from -2^63 to 2^64 - 1 for seed (as a bigint beyond 2^53) but received ${shown(seed)}`,
    )
  }
  return BigInt.asUintN(64, BigInt(seed))
}

/** A seed of native code as a number, or as a bigint if it is beyond 2^53. */
export function fromSeed(seed: bigint): Seed {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed
}
