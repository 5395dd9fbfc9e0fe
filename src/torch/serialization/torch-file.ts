import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { Tensor } from '../tensor/tensor.js'
import type { PickledStorage, PickledTensor, PickleValue } from './pickle-values.js'
import { storedElementSize } from './stored-dtype.js'

/** A file of torch.save whose storages have not been read yet. */
export interface TorchFile {
  /** The value of its pickle. */
  readonly value: PickleValue
  /** Reads the storages of these tensors. Tensors over one storage share its memory. */
  load(tensors: readonly PickledTensor[]): Promise<Tensor[]>
}

/** The largest pickle that is read, in bytes. A pickle has about 200 bytes for each tensor. */
export const largestPickle = 2 ** 28

/**
 * Builds tensors over their storages.
 *
 * @param file the name of the file, for messages
 * @param readStorages reads the bytes of storages, each of which is named once
 */
export async function loadTensors(
  file: string,
  tensors: readonly PickledTensor[],
  readStorages: (used: PickledStorage[]) => Promise<TensorHandle[]>,
): Promise<Tensor[]> {
  const used = [...new Map(tensors.map(({ storage }) => [storage.key, storage])).values()]
  const read = await readStorages(used)
  const bytes = new Map(used.map(({ key }, i) => [key, read[i]!]))
  const made: Tensor[] = []
  try {
    for (const tensor of tensors) made.push(tensorOver(file, bytes.get(tensor.storage.key)!, tensor))
    return made
  } catch (error) {
    for (const tensor of made) tensor.dispose()
    throw error
  } finally {
    for (const handle of read) binding.dispose(handle)
  }
}

function tensorOver(file: string, bytes: TensorHandle, described: PickledTensor): Tensor {
  const { storage, dtype, offset, shape, strides, lazy } = described
  const first = offset + storage.start / storedElementSize(dtype)
  let tensor: Tensor
  try {
    tensor = new Tensor(binding.tensorFromStorage(bytes, dtype, first, shape, strides))
  } catch (cause) {
    const { code, message } = cause as SosError
    throw new SosError(code, `${file}: ${message}`, { cause })
  }
  if (lazy.conj) tensor = replaced(tensor, tensor.conj())
  if (lazy.neg) tensor = replaced(tensor, tensor._neg_view())
  return tensor
}

function replaced(tensor: Tensor, by: Tensor): Tensor {
  tensor.dispose()
  return by
}
