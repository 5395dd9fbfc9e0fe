import { clipped, SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import type { ByteSource } from './byte-source.js'
import { PickleReader, PickleTruncated } from './pickle-reader.js'
import { StorageTable } from './storage-table.js'
import { storedElementSize } from './stored-dtype.js'
import { largestPickle, loadTensors, type TorchFile } from './torch-file.js'
import { unpickle } from './unpickler.js'

const magic = 0x1950a86a20f9469cfc6cn
const version = 1001

/**
 * Opens a file in the format of torch.save until PyTorch 1.5, in which many of torchvision's files still are. It begins with pickles: a magic
 * number, a version, the sizes of C's types, the object, and the keys of its storages. The storages follow, each after the number of its
 * elements.
 *
 * @throws `ERR_UNSAFE_PICKLE`, `ERR_DAMAGED_FILE`
 */
export async function openLegacyFile(source: ByteSource): Promise<TorchFile> {
  const { value, storages, keys, position } = await readHead(source)
  const starts = new Map<string, number>()
  let start = position
  for (const key of keys) {
    starts.set(key, start)
    start += 8 + storages.get(key).bytes
  }
  return {
    value,
    load: (tensors) =>
      loadTensors(source.name, tensors, async (used) => {
        const handles: TensorHandle[] = []
        try {
          for (const { key } of used) handles.push(await readStorage(source, storages, key, starts.get(key)))
          return handles
        } catch (error) {
          for (const handle of handles) binding.dispose(handle)
          throw error
        }
      }),
  }
}

async function readStorage(
  source: ByteSource,
  storages: StorageTable,
  key: string,
  start: number | undefined,
): Promise<TensorHandle> {
  const { bytes, dtype } = storages.get(key)
  if (start === undefined || start + 8 + bytes > source.size) {
    throw new SosError(
      'ERR_DAMAGED_FILE',
      `${source.name}: the file is damaged: it ends before its storage '${clipped(key)}' does`,
    )
  }
  const count = await source.read(start, 8)
  const view = new DataView(count.buffer, count.byteOffset, count.byteLength)
  if (view.getBigInt64(0, true) !== BigInt(bytes / storedElementSize(dtype))) {
    throw new SosError(
      'ERR_DAMAGED_FILE',
      `${source.name}: the file is damaged: its storage '${clipped(key)}' is not where it should be`,
    )
  }
  return source.readTensor(start + 8, bytes)
}

/** Reads the pickles. Their size is not in the file: more bytes are read until the pickles are complete. */
async function readHead(source: ByteSource) {
  for (let length = 2 ** 20; ; length *= 8) {
    const reader = new PickleReader(await source.read(0, Math.min(length, largestPickle)), source.name)
    try {
      return unpickleHead(reader)
    } catch (error) {
      if (!(error instanceof PickleTruncated) || length >= Math.min(source.size, largestPickle)) throw error
    }
  }
}

function unpickleHead(reader: PickleReader) {
  if (unpickle(reader) !== magic) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${reader.name}: expected weights but this is a pickle that torch.save did not write; load it in Python and save its tensors with torch.save(…, FILE)`,
    )
  }
  const found = unpickle(reader)
  if (found !== version) throw reader.damaged(`expected the version ${version} but it has another`)
  unpickle(reader)
  const storages = new StorageTable(reader.name)
  const value = unpickle(reader, (id) => storages.of(id))
  const keys = unpickle(reader)
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) {
    throw reader.damaged('the list of its storages is missing')
  }
  return { value, storages, keys, position: reader.position }
}
