import { binding } from '../native/binding.js'
import { handleOf, type Tensor } from './tensor.js'

/** A number that is equal for two objects of the same tensor, such as a tied weight under both of its names. A view of it has another. */
export function identityOf(tensor: Tensor): bigint {
  return binding.tensorIdentity(handleOf(tensor))
}

/** The entries without those whose tensor is there before, under another name. */
export function eachOnce(named: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const seen = new Set<bigint>()
  return new Map(
    [...named].filter(([, tensor]) => {
      const identity = identityOf(tensor)
      return !seen.has(identity) && seen.add(identity)
    }),
  )
}
