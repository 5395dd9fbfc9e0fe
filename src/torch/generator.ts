import { binding, type GeneratorHandle } from './binding.js'
import { SosError } from './errors.js'

let readHandle: (generator: Generator) => GeneratorHandle

/** A source of random numbers of its own on the CPU: it draws what Python's `torch.Generator().manual_seed(seed)` draws. */
export class Generator {
  readonly #handle: GeneratorHandle
  readonly seed: number

  static {
    readHandle = (generator) => generator.#handle
  }

  /** @param seed a whole number from 0 to 2^53 − 1 */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        `expected a whole number of at least 0 for seed but received ${seed}`,
      )
    }
    this.seed = seed
    this.#handle = binding.createGenerator(seed)
  }
}

/** The native side of a generator, for this folder's other files. */
export function handleOfGenerator(generator: Generator): GeneratorHandle {
  return readHandle(generator)
}
