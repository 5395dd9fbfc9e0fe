import { expectObject, notSerializable, SosError, shown } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { GeneratorHandle } from '../native/handles.js'
import type { Device } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** A whole number from −2^63 to 2^64 − 1, a negative one standing for itself plus 2^64, as in Python. */
export type Seed = number | bigint

/** What libtorch seeds a generator with that was given no seed. */
const DEFAULT_SEED = 67280421310721

let readHandle: (generator: Generator) => GeneratorHandle

/**
 * A source of random numbers of its own: on the same device it draws what Python's `torch.Generator(device)` draws from the
 * same seed. Operators that draw take it as `{ generator }`.
 */
export class Generator {
  readonly #handle: GeneratorHandle

  /** As {@link Tensor.id}: no two generators are equal field by field, and none can be cloned. */
  readonly id: () => string = () => 'A Generator: post the toTypedArray() of its getState()'

  static {
    readHandle = (generator) => generator.#handle
  }

  /**
   * @param seed default: 67280421310721, libtorch's own
   * @throws `ERR_INVALID_ARGUMENT` for a seed that is none, `ERR_DEVICE` for a device that is not there
   */
  constructor(seed: Seed = DEFAULT_SEED, options: { device?: Device } = {}) {
    expectObject('options', options)
    this.#handle = binding.createGenerator(options.device ?? 'cpu', toSeed(seed))
  }

  /** Where it draws, as `cpu` or `cuda:0`. */
  get device(): Device {
    return binding.generatorDevice(this.#handle)
  }

  /** Begins anew from `seed`. As Python's `generator.manual_seed(seed)`. */
  manualSeed(seed: Seed): this {
    binding.generatorSetSeed(this.#handle, toSeed(seed))
    return this
  }

  /** Begins anew from a seed that the system's randomness gives, and returns it. As `generator.seed()`. */
  seed(): Seed {
    return fromSeed(binding.generatorSeed(this.#handle))
  }

  /** The seed that it last began from; a bigint where it is no safe integer. As `generator.initial_seed()`. */
  initialSeed(): Seed {
    return fromSeed(binding.generatorInitialSeed(this.#handle))
  }

  /** Where it is in its sequence: bytes in a CPU tensor, the same as Python's `generator.get_state()`. */
  getState(): Tensor {
    return new Tensor(binding.generatorGetState(this.#handle))
  }

  /**
   * Goes on from a state of {@link getState}, or of a Python generator on a device of the same kind.
   *
   * @throws `ERR_TORCH` for bytes that are no state
   */
  setState(state: Tensor): this {
    binding.generatorSetState(this.#handle, handleOf(state))
    return this
  }

  /** Throws `ERR_NOT_SERIALIZABLE`: it has no JSON. */
  toJSON(): never {
    throw notSerializable('a Generator', 'getState() has its state')
  }
}

/** The native side of a generator, for this folder's other files. */
export function handleOfGenerator(generator: Generator): GeneratorHandle {
  return readHandle(generator)
}

/** The 64 bits of a seed. */
export function toSeed(seed: Seed): bigint {
  const whole = typeof seed === 'bigint' || Number.isSafeInteger(seed)
  if (!whole || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected a whole number from -2^63 to 2^64 - 1 for seed (a bigint beyond 2^53) but received ${shown(seed)}`,
    )
  }
  return BigInt.asUintN(64, BigInt(seed))
}

/** A number where it is a safe integer, as everywhere else. */
export function fromSeed(seed: bigint): Seed {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed
}
