import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { elementSize } from '../tensor/dtype.js'
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

/** The memory of a dense tensor, from its first element to the end of its last. */
export interface Memory {
  readonly storage: bigint
  /** In bytes. */
  readonly start: number
  readonly end: number
  /** Whether several elements lie in one place, as in an expanded tensor. */
  readonly repeats: boolean
}

/** Where a tensor lies. Arguments and errors as of {@link storageOf}. */
export function memoryOf(name: string, tensor: Tensor): Memory {
  const { id, bytes, offset, strides } = storageOf(name, tensor)
  binding.dispose(bytes)
  const { shape } = tensor
  const last = shape.reduce((sum, extent, i) => sum + (extent - 1) * strides[i]!, offset)
  const size = elementSize(tensor.dtype)
  return {
    storage: id,
    start: offset * size,
    end: (shape.includes(0) ? offset : last + 1) * size,
    repeats: shape.some((extent, i) => extent > 1 && strides[i] === 0),
  }
}

/** Whether two tensors may have an element in common: their memory, from end to end, overlaps. */
export function overlap(one: Memory, other: Memory | null): boolean {
  return other !== null && one.storage === other.storage && one.start < other.end && other.start < one.end
}
