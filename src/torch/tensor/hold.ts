import { expectList } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { handleOf, type Tensor } from './tensor.js'

/**
 * Prevents writes to tensors until the result is disposed of: they throw `ERR_BUSY`. This is for an asynchronous function that still reads
 * its arguments after its first wait, and would otherwise use what the caller wrote meanwhile.
 *
 * @param what the name of the function, for the message
 */
export function hold(what: string, tensors: readonly (Tensor | null | undefined)[]): Disposable {
  expectList(`the tensors of ${what}`, tensors)
  const handles = tensors.flatMap((tensor) => (tensor ? [handleOf(tensor)] : []))
  const held = binding.holdMemory(what, handles)
  return { [Symbol.dispose]: () => binding.releaseMemory(held) }
}
