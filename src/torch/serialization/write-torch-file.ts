import { writeAtomically } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import type { Tensor } from '../tensor/tensor.js'
import { bytesTensor } from './byte-source.js'
import { pickleStateDict, type TensorDescription } from './pickler.js'
import { storageOf } from './storage.js'
import { type StoredDType, writableDType } from './stored-dtype.js'

/** A storage to write. */
interface StorageRecord {
  readonly key: string
  readonly dtype: StoredDType
  readonly bytes: number
  readonly handle: TensorHandle
}

/**
 * Writes an OrderedDict of tensors as torch.save does, off the event loop. The file appears complete, or what was there before stays. Each storage
 * is written once and as a whole, so that tensors that share memory share it again when they are loaded. All are written as CPU tensors.
 *
 * @throws `ERR_DTYPE`, `ERR_LAYOUT` for sparse and quantised tensors, `ERR_OUTPUT`
 */
export async function writeTorchFile(path: string, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  const records = new Map<bigint, StorageRecord>()
  const temporary: Tensor[] = []
  try {
    const described = [...tensors].map(([name, tensor]) => describe(name, tensor, records, temporary))
    const text = (value: string): TensorHandle => bytesTensor(Buffer.from(value, 'latin1'))
    const entries: [string, TensorHandle][] = [
      ['data.pkl', bytesTensor(pickleStateDict(described))],
      ['byteorder', text('little')],
      ...Array.from(records.values(), ({ key, handle }): [string, TensorHandle] => [`data/${key}`, handle]),
    ]
    await writeAtomically(path, (file) => onLane(() => binding.writeArchive(file, entries)))
  } finally {
    for (const tensor of temporary) tensor.dispose()
    for (const { handle } of records.values()) binding.dispose(handle)
  }
}

function describe(
  name: string,
  tensor: Tensor,
  records: Map<bigint, StorageRecord>,
  temporary: Tensor[],
): TensorDescription {
  const dtype = writableDType(tensor.dtype, name)
  const disposedLater = (copy: Tensor): Tensor => {
    temporary.push(copy)
    return copy
  }
  // The bytes of a storage do not contain lazy conjugation and negation. Without these, `plain` shares the memory of the tensor.
  const plain = disposedLater(disposedLater(tensor.resolve_conj()).resolve_neg())
  let { id, bytes, offset, strides } = storageOf(name, plain)
  let record = records.get(id)
  // PyTorch reads a storage with one dtype. If another tensor uses it with another dtype, this tensor gets a storage of its own.
  if (record === undefined ? lengthOf(bytes) % dtype.bytes !== 0 : record.dtype !== dtype) {
    binding.dispose(bytes)
    ;({ id, bytes, offset, strides } = storageOf(name, disposedLater(plain.clone())))
    record = undefined
  }
  if (record === undefined) {
    record = { key: String(records.size), dtype, bytes: lengthOf(bytes), handle: bytes }
    records.set(id, record)
  } else {
    binding.dispose(bytes)
  }
  return { name, dtype, storage: record, offset, shape: tensor.shape, strides }
}

function lengthOf(bytes: TensorHandle): number {
  return binding.tensorShape(bytes)[0]!
}
