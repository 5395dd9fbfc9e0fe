import { Tensor } from './tensor.js'

/**
 * Gives all tensors the methods and accessors of `members`, as those of a class: they are not enumerable. Their types are declared beside the
 * call, by `declare module`, so that this folder's class need not know the folders that extend it.
 */
export function extendTensor<T extends object>(members: T & ThisType<Tensor>): void {
  for (const name of Reflect.ownKeys(members)) {
    const member = Object.getOwnPropertyDescriptor(members, name)!
    Object.defineProperty(Tensor.prototype, name, { ...member, enumerable: false })
  }
}
