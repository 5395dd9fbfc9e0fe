import { expectList } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { handleOf, type Tensor } from './tensor.js'

/**
 * Keeps everybody from writing to `tensors` until it is disposed of: `ERR_BUSY`. For an asynchronous function that goes on to read them
 * after its first wait, which would else take in what was written meanwhile.
 *
 * @param what the function, for the message
 * @example
 * using held = hold('hvp()', vector)
 */
export function hold(what: string, tensors: readonly (Tensor | null | undefined)[]): Disposable {
  expectList(`the tensors of ${what}`, tensors)
  const handles = tensors.flatMap((tensor) => (tensor ? [handleOf(tensor)] : []))
  const held = binding.holdMemory(what, handles)
  return { [Symbol.dispose]: () => binding.releaseMemory(held) }
}
