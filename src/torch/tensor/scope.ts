import { expectFunction } from '../../base/index.js'
import { currentContext, runIn } from '../context/context.js'
import { binding } from '../native/binding.js'
import { Tensor } from './tensor.js'

/**
 * Runs `body`, sync or async (a promise, or another object with `then`), and disposes of every tensor made in it, save those that it
 * returns (alone, or in arrays, maps, sets and plain objects, also where these hold themselves) and those given to {@link keepTensor}. What gets out belongs to the scope around, if there is one. Where
 * `body` throws, all are disposed of. Tensors of modules and of graphs live on: a scope drops JavaScript's hold of them.
 *
 * @example
 * const loss = await scope(async () => (await model.forward(x)).cross_entropy_loss(y))
 */
export function scope<T>(body: () => T): T {
  expectFunction('body', body)
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
    result = runIn({ scope: made }, () => settling(body()))
  } catch (error) {
    return fail(error)
  }
  return result instanceof Promise ? (result.then(end, fail) as T) : end(result)
}

/** Lets a tensor out of the scopes around: from here on its owner disposes of it, or the garbage collector. */
export function keepTensor<T extends Tensor>(tensor: T): T {
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

/** A promise for whatever has `then`, which is called in the context of here. */
function settling<T>(value: T): T {
  if (value === null || typeof value !== 'object' || value instanceof Promise || value instanceof Tensor)
    return value
  return typeof (value as { then?: unknown }).then === 'function' ? (Promise.resolve(value) as T) : value
}

function release(value: unknown, from: Set<Tensor>, to: Set<Disposable> | null): void {
  const seen = new Set<unknown>()
  const left = [value]
  while (left.length > 0) {
    const one = left.pop()
    if (one instanceof Tensor) {
      if (from.delete(one)) to?.add(one)
      continue
    }
    if (typeof one !== 'object' || one === null || seen.has(one)) continue
    seen.add(one)
    for (const element of contentsOf(one)) left.push(element)
  }
}

function contentsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  if (value instanceof Map) return [...value.keys(), ...value.values()]
  const parent: unknown = Object.getPrototypeOf(value)
  return parent === Object.prototype || parent === null ? Object.values(value) : []
}
