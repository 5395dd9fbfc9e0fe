import { binding } from '../binding.js'
import { SosError } from '../errors.js'
import { handleOf, type Tensor } from '../tensor/tensor.js'

/**
 * Where a dense tensor's elements lie: its storage, of which `id` is equal for all tensors over it, as bytes that share its
 * memory and are to be disposed of, and offset and strides in elements.
 *
 * @param name of the tensor, for messages
 * @throws `ERR_LAYOUT` for sparse and quantised tensors
 */
export function storageOf(name: string, tensor: Tensor): ReturnType<typeof binding.tensorStorage> {
  try {
    return binding.tensorStorage(handleOf(tensor))
  } catch (cause) {
    const { code, message } = cause as SosError
    throw new SosError(code, `'${name}': ${message}`, { cause })
  }
}
