import { clipped, SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { type ByteSource, bytesTensor } from './byte-source.js'
import { exportedProgram, foreignFile, foreignFileStart, isExportedProgram } from './foreign-file.js'
import { PickleReader } from './pickle-reader.js'
import type { PickledStorage } from './pickle-values.js'
import { StorageTable } from './storage-table.js'
import { storedElementSize } from './stored-dtype.js'
import { largestPickle, loadTensors, type TorchFile } from './torch-file.js'
import { unpickle } from './unpickler.js'

/**
 * How much larger the storages may be than the file, beyond half a gigabyte. torch.save does not compress, and compression hardly makes weights
 * smaller. Without a limit, records that overlap could each claim a thousand times the size of the file.
 */
const largestRatio = 16

/**
 * Opens a zip archive in the format of torch.save since PyTorch 1.6: a pickle, and a record for each storage.
 *
 * @throws `ERR_NOT_STATE_DICT`, `ERR_UNSAFE_PICKLE`, `ERR_DAMAGED_FILE`
 */
export async function openZipFile(source: ByteSource): Promise<TorchFile> {
  const foreign = foreignFile(await source.read(0, foreignFileStart))
  if (foreign !== undefined) {
    throw new SosError('ERR_NOT_STATE_DICT', `${source.name}: expected weights but this is ${foreign}`)
  }
  const sizes = new Map(await source.native((from) => binding.archiveRecords(from)))
  const size = sizes.get('data.pkl')
  if (sizes.has('constants.pkl')) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${source.name}: expected weights but this is a TorchScript model; its weights are (await ScriptModule.load(FILE)).stateDict()`,
    )
  }
  if (size === undefined) {
    const what = isExportedProgram(sizes.keys()) ? `is ${exportedProgram}` : 'zip archive holds no data.pkl'
    throw new SosError('ERR_NOT_STATE_DICT', `${source.name}: expected weights but this ${what}`)
  }
  if (size > largestPickle) {
    throw new SosError(
      'ERR_DAMAGED_FILE',
      `${source.name}: its pickle claims to have ${size} bytes, and at most ${largestPickle} are read`,
    )
  }
  const bigEndian = await isBigEndian(source, sizes)
  const pickle = await readSmall(source, 'data.pkl')
  const storages = new StorageTable(source.name)
  const value = unpickle(new PickleReader(pickle, source.name), (id) => storages.of(id))
  return {
    value,
    load: (tensors) =>
      loadTensors(source.name, tensors, async (used) => {
        let total = 0
        for (const { key, bytes } of used) {
          const found = sizes.get(`data/${key}`)
          total += found ?? 0
          if (found !== undefined && found >= bytes) {
            if (total <= 2 ** 29 + largestRatio * source.size) continue
            throw new SosError(
              'ERR_DAMAGED_FILE',
              `${source.name}: its storages unpack to more than ${total} bytes, too many for a file of ${source.size}`,
            )
          }
          throw new SosError(
            'ERR_DAMAGED_FILE',
            `${source.name}: expected ${bytes} bytes in the storage '${clipped(key)}' but it has ${found ?? 'none'}`,
          )
        }
        const names = used.map(({ key }) => `data/${key}`)
        const handles = await source.native((from) => binding.readRecords(from, names))
        return bigEndian ? handles.map((handle, i) => swapped(handle, used[i]!)) : handles
      }),
  }
}

async function readSmall(source: ByteSource, name: string): Promise<Uint8Array> {
  const [record] = await source.native((from) => binding.readRecords(from, [name]))
  return takeBytes(record!)
}

async function isBigEndian(source: ByteSource, sizes: ReadonlyMap<string, number>): Promise<boolean> {
  const size = sizes.get('byteorder')
  if (size === undefined || size > 16) return false
  return Buffer.from(await readSmall(source, 'byteorder')).toString('latin1') === 'big'
}

/** Reverses the byte order of each element. A complex number has two parts, each of which is reversed. */
function swapped(handle: TensorHandle, { dtype }: PickledStorage): TensorHandle {
  const size = storedElementSize(dtype) / (dtype?.startsWith('complex') ? 2 : 1)
  const bytes = takeBytes(handle)
  for (let i = 0; i + size <= bytes.length; i += size) bytes.subarray(i, i + size).reverse()
  return bytesTensor(bytes)
}

function takeBytes(handle: TensorHandle): Uint8Array {
  const bytes = new Uint8Array(binding.tensorToArrayBuffer(handle))
  binding.dispose(handle)
  return bytes
}
