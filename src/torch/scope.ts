import { binding } from './binding.js'
import { currentContext, runIn } from './context.js'
import { Tensor } from './tensor/tensor.js'

/**
 * Runs `body`, sync or async, and disposes of every tensor made in it, save those that it returns (alone, or in arrays,
 * maps and plain objects) and those given to {@link keep}. What gets out belongs to the scope around, if there is one. Where
 * `body` throws, all are disposed of. Tensors of modules and of graphs live on: a scope drops JavaScript's hold of them.
 *
 * @example
 * const loss = await scope(async () => (await model.forward(x)).cross_entropy_loss(y))
 */
export function scope<T>(body: () => T): T {
  const parent = currentContext().scope
  const made = new Set<Tensor>()
  const end = <R>(result: R): R => {
    release(result, made, parent)
    for (const tensor of made) tensor.dispose()
    return result
  }
  const fail = (error: unknown): never => {
    for (const tensor of made) tensor.dispose()
    throw error
  }
  let result: T
  try {
    result = runIn({ scope: made }, body)
  } catch (error) {
    return fail(error)
  }
  return result instanceof Promise ? (result.then(end, fail) as T) : end(result)
}

/** Lets a tensor out of the scopes around: from here on its owner disposes of it, or the garbage collector. */
export function keep<T extends Tensor>(tensor: T): T {
  currentContext().scope?.delete(tensor)
  return tensor
}

/** What {@link memoryStats} tells. */
export interface MemoryStats {
  /** Tensors of this environment that live. */
  readonly tensors: number
  /** The bytes of their elements. */
  readonly bytes: number
  /** The CPU's memory that no tensor uses and the process keeps for those to come. */
  readonly cachedBytes: number
}

/** Tensors and their memory, at the moment. */
export function memoryStats(): MemoryStats {
  return binding.memoryStats()
}

/**
 * Gives the CPU's memory that is kept for tensors to come back to the system, as `torch.cuda.emptyCache()` does for GPUs. It
 * needs no call: with what tensors use, never much more is kept than they used at once in the last half minute of
 * work. It is for a program that worked on much and now waits.
 */
export function emptyCache(): void {
  binding.emptyCache('cpu')
}

function release(value: unknown, from: Set<Tensor>, to: Set<Tensor> | null): void {
  if (value instanceof Tensor) {
    if (from.delete(value)) to?.add(value)
  } else if (Array.isArray(value) || value instanceof Map) {
    for (const element of value.values()) release(element, from, to)
  } else if (
    value !== null &&
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype
  ) {
    for (const element of Object.values(value)) release(element, from, to)
  }
}
