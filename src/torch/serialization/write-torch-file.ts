import { writeAtomically } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import type { Tensor } from '../tensor/tensor.js'
import { bytesTensor } from './byte-source.js'
import { pickleStateDict, type TensorDescription } from './pickler.js'
import { storageOf } from './storage.js'
import { type StoredDType, writableDType } from './stored-dtype.js'

/** A storage that is to be written. */
interface StorageRecord {
  readonly key: string
  readonly dtype: StoredDType
  readonly bytes: number
  readonly handle: TensorHandle
}

/**
 * Writes an OrderedDict of tensors as torch.save does, off the event loop; the file is there whole, or as it was before.
 * Storages are written once and whole: tensors that share memory share it when they are loaded. All go to the CPU.
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
  const owned = (copy: Tensor): Tensor => {
    temporary.push(copy)
    return copy
  }
  // Lazy bits do not reach the storage's bytes. Where there are none, this is the same memory.
  const plain = owned(owned(tensor.resolve_conj()).resolve_neg())
  let { id, bytes, offset, strides } = storageOf(name, plain)
  let record = records.get(id)
  // PyTorch reads a storage as of one dtype: where another tensor has made it another's, this one gets its own.
  if (record === undefined ? lengthOf(bytes) % dtype.bytes !== 0 : record.dtype !== dtype) {
    binding.dispose(bytes)
    ;({ id, bytes, offset, strides } = storageOf(name, owned(plain.clone())))
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
