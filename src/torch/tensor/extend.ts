import { Tensor } from './tensor.js'

/**
 * Gives all tensors the methods and accessors of `members`. They are not enumerable, like those of a class. The file that calls this declares
 * their types by `declare module`, so that the class does not depend on the folders that extend it.
 */
export function extendTensor<T extends object>(members: T & ThisType<Tensor>): void {
  for (const name of Reflect.ownKeys(members)) {
    const member = Object.getOwnPropertyDescriptor(members, name)!
    Object.defineProperty(Tensor.prototype, name, { ...member, enumerable: false })
  }
}
