import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import { elementSize } from '../tensor/dtype.js'
import { handleOf, type Tensor } from '../tensor/tensor.js'

/**
 * The storage of a dense tensor, and its place in it. `id` is equal for all tensors over the same storage. `bytes` is a tensor that shares the
 * memory of the storage and must be disposed of. Offset and strides are in elements.
 *
 * @param name the name of the tensor, for messages
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
  /** Equal for all tensors over the same storage. */
  readonly storage: bigint
  /** In bytes from the beginning of the storage. */
  readonly start: number
  readonly end: number
  /** Whether several elements have the same place, as in an expanded tensor. */
  readonly repeats: boolean
}

/** The memory of a tensor. Arguments and errors are those of {@link storageOf}. */
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

/** Whether the memory of two tensors overlaps between their first and last elements, so that they may have an element in common. */
export function overlap(one: Memory, other: Memory | null): boolean {
  return other !== null && one.storage === other.storage && one.start < other.end && other.start < one.end
}
