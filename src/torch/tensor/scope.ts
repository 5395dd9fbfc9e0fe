import { expectFunction } from '../../base/index.js'
import { currentContext, runIn } from '../context/context.js'
import { Tensor } from './tensor.js'

/**
 * Runs a function and then frees every tensor that was made in it, except those that it returns.
 *
 * The tensors that are returned may stand alone or in arrays, maps, sets and plain objects, also in those that contain themselves.
 * They belong to the scope around this one, if there is one. Tensors given to {@link keepTensor} are not freed either.
 *
 * If `body` throws, all of its tensors are freed. What modules and graphs of gradients hold stays alive: a scope only drops JavaScript's
 * references.
 *
 * @param body a synchronous or asynchronous function; an asynchronous one returns a promise or another object with `then`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` when `body` is not a function; otherwise what `body` throws
 * @example
 * const loss = await scope(async () => {
 *   const logits = await model.forward(images)
 *   return logits.cross_entropy_loss(labels)
 * })
 * console.log(loss.disposed)
 * // → false
 */
export function scope<T>(body: () => T): T {
  expectFunction('body', body)
  const outer = currentContext().scope
  const made = new Set<Tensor>()
  const end = <R>(result: R): R => {
    moveTensors(result, made, outer)
    for (const tensor of made) tensor.dispose()
    return result
  }
  const fail = (error: unknown): never => {
    for (const tensor of made) tensor.dispose()
    throw error
  }
  let result: T
  try {
    result = runIn({ scope: made }, () => promiseOfThenable(body()))
  } catch (error) {
    return fail(error)
  }
  return result instanceof Promise ? (result.then(end, fail) as T) : end(result)
}

/**
 * Takes a tensor out of the scopes around the call, so that they do not free it. From then on its owner frees it, or the garbage
 * collector does.
 *
 * @param tensor a tensor that was made in the current {@link scope}
 * @returns the same tensor
 * @example
 * const kept: Tensor[] = []
 * scope(() => {
 *   const row = torch.ones([4])
 *   kept.push(keepTensor(row))
 * })
 * console.log(kept[0]?.disposed)
 * // → false
 */
export function keepTensor<T extends Tensor>(tensor: T): T {
  currentContext().scope?.delete(tensor)
  return tensor
}

/** A promise in place of an object with `then`, whose `then` is called in the present context; anything else as it is. */
function promiseOfThenable<T>(value: T): T {
  if (value === null || typeof value !== 'object' || value instanceof Promise || value instanceof Tensor)
    return value
  return typeof (value as { then?: unknown }).then === 'function' ? (Promise.resolve(value) as T) : value
}

/** Moves the tensors in a value from one scope to another. */
function moveTensors(value: unknown, from: Set<Tensor>, to: Set<Disposable> | null): void {
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
