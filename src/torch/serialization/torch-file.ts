import { binding, type TensorHandle } from '../binding.js'
import { currentContext } from '../context.js'
import { SosError } from '../errors.js'
import { Tensor } from '../tensor.js'
import type { ByteSource } from './byte-source.js'
import { PickleReader, PickleTruncated } from './pickle-reader.js'
import { PickledDType, PickledStorage, type PickledTensor, type PickleValue } from './pickle-values.js'
import { storedDType } from './stored-dtype.js'
import { unpickle } from './unpickler.js'

/** A file of torch.save's whose storages are not read yet. */
export interface TorchFile {
  readonly value: PickleValue
  /** Reads what these tensors need; tensors of one storage share its memory. */
  load(tensors: readonly PickledTensor[]): Promise<Tensor[]>
}

/** The largest pickle that is read, in bytes: one takes about 200 a tensor. */
const largestPickle = 2 ** 28

/** Opens a zip archive of torch.save's (PyTorch 1.6 and later). Throws as `loadStateDict`. */
export async function openZipFile(source: ByteSource): Promise<TorchFile> {
  const records = new Map(await source.native((from) => binding.archiveRecords(from)))
  if (records.has('constants.pkl')) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${source.name}: expected weights but this is a TorchScript model; its weights are (await ScriptModule.load(FILE)).stateDict()`,
    )
  }
  const size = records.get('data.pkl')
  if (size === undefined) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${source.name}: expected weights but this zip archive holds none`,
    )
  }
  if (size > largestPickle) {
    throw new SosError(
      'ERR_DAMAGED_FILE',
      `${source.name}: its pickle claims ${size} bytes, more than is read`,
    )
  }
  const bigEndian = await isBigEndian(source, records)
  const [pickle] = await read(source, ['data.pkl'])
  const reader = new PickleReader(takeBytes(pickle!), source.name)
  const storages = new StorageTable(source.name)
  const value = unpickle(reader, (id) => storages.of(id))
  return {
    value,
    load: (tensors) =>
      load(source.name, tensors, async (used) => {
        for (const { key, bytes } of used) {
          const there = records.get(`data/${key}`)
          if (there === undefined || there < bytes) {
            throw new SosError(
              'ERR_DAMAGED_FILE',
              `${source.name}: the storage '${key}' should have ${bytes} bytes but has ${there ?? 'none'}`,
            )
          }
        }
        const handles = await read(
          source,
          used.map(({ key }) => `data/${key}`),
        )
        return bigEndian ? handles.map((handle, i) => swapped(handle, used[i]!)) : handles
      }),
  }
}

/** The number with which the files of torch.save begin that are no zip archives. */
export const legacyMagic = 0x1950a86a20f9469cfc6cn

/** Opens a file as torch.save wrote them until PyTorch 1.5: pickles, then the storages one after another. */
export async function openLegacyFile(source: ByteSource): Promise<TorchFile> {
  const { value, storages, order, position } = await readLegacyHead(source)
  const starts = new Map<string, number>()
  let start = position
  for (const key of order) {
    const storage = storages.get(key)
    // Each begins with the number of its elements.
    starts.set(key, start + 8)
    start += 8 + storage.bytes
  }
  return {
    value,
    load: (tensors) =>
      load(source.name, tensors, async (used) => {
        const handles: TensorHandle[] = []
        for (const { key } of used) {
          const { bytes, dtype } = storages.get(key)
          const begin = starts.get(key)
          if (begin === undefined)
            throw new SosError('ERR_DAMAGED_FILE', `${source.name}: it has no storage '${key}'`)
          const count = new DataView((await source.read(begin - 8, 8)).slice().buffer)
          const wanted = bytes / elementSize(dtype)
          if (count.byteLength < 8 || Number(count.getBigInt64(0, true)) !== wanted) {
            throw new SosError(
              'ERR_DAMAGED_FILE',
              `${source.name}: the storage '${key}' is not where it should be`,
            )
          }
          if (begin + bytes > source.size) {
            throw new SosError(
              'ERR_DAMAGED_FILE',
              `${source.name}: the file is truncated in the storage '${key}'`,
            )
          }
          handles.push(await source.readTensor(begin, bytes))
        }
        return handles
      }),
  }
}

async function readLegacyHead(source: ByteSource) {
  for (let length = 2 ** 20; ; length *= 8) {
    const reader = new PickleReader(await source.read(0, Math.min(length, largestPickle)), source.name)
    try {
      if (unpickle(reader) !== legacyMagic) throw reader.damaged('it is not torch.save’s')
      const version = unpickle(reader)
      if (version !== 1001) throw reader.damaged(`its version is ${String(version)}, not 1001`)
      unpickle(reader) // the sizes of C's types where it was written
      const storages = new StorageTable(source.name)
      const value = unpickle(reader, (id) => storages.of(id))
      const order = unpickle(reader)
      if (!Array.isArray(order) || order.some((key) => typeof key !== 'string')) {
        throw reader.damaged('the list of its storages is missing')
      }
      return { value, storages, order: order as string[], position: reader.position }
    } catch (error) {
      if (!(error instanceof PickleTruncated) || length >= Math.min(source.size, largestPickle)) throw error
    }
  }
}

/** The storages that a file's persistent ids mention, each of one size. */
class StorageTable {
  readonly #roots = new Map<string, PickledStorage>()

  constructor(readonly name: string) {}

  get(key: string): PickledStorage {
    const found = this.#roots.get(key)
    if (found === undefined)
      throw new SosError('ERR_DAMAGED_FILE', `${this.name}: nothing uses its storage '${key}'`)
    return found
  }

  /** For `('storage', class, key, device, number of elements)` and, in legacy files, perhaps a view of it. */
  of(id: PickleValue): PickledStorage {
    const [kind, type, key, , count, view] = Array.isArray(id) ? id : []
    if (kind !== 'storage' || !(type instanceof PickledDType) || typeof key !== 'string') {
      throw new Error('expected a storage')
    }
    const size = elementSize(type.dtype)
    const bytes = sizeIn(count) * size
    const root = this.#roots.get(key) ?? new PickledStorage(key, type.dtype, bytes, 0)
    if (root.bytes !== bytes) throw new Error(`'${key}' has two sizes`)
    this.#roots.set(key, root)
    if (!Array.isArray(view))
      return root.dtype === type.dtype ? root : new PickledStorage(key, type.dtype, bytes, 0)
    const [, offset, viewed] = view
    const start = sizeIn(offset) * size
    const length = sizeIn(viewed) * size
    if (start + length > bytes) throw new Error(`a view of '${key}' does not lie within it`)
    return new PickledStorage(key, type.dtype, length, start)
  }
}

/** Builds tensors over their storages, which `readStorages` reads once each. */
async function load(
  name: string,
  tensors: readonly PickledTensor[],
  readStorages: (used: PickledStorage[]) => Promise<TensorHandle[]>,
): Promise<Tensor[]> {
  const used = [...new Map(tensors.map(({ storage }) => [storage.key, storage])).values()]
  const handles = new Map<string, TensorHandle>()
  const made: Tensor[] = []
  try {
    const read = await readStorages(used)
    used.forEach(({ key }, i) => {
      handles.set(key, read[i]!)
    })
    for (const { storage, dtype, offset, shape, strides, lazy } of tensors) {
      const first = offset + storage.start / elementSize(dtype)
      let tensor = tensorOver(name, handles.get(storage.key)!, dtype, first, shape, strides)
      if (lazy.conj) tensor = replaced(tensor, tensor.conj())
      if (lazy.neg) tensor = replaced(tensor, tensor._neg_view())
      made.push(tensor)
    }
    return made
  } catch (error) {
    for (const tensor of made) tensor.dispose()
    throw error
  } finally {
    for (const handle of handles.values()) binding.dispose(handle)
  }
}

function tensorOver(name: string, ...view: Parameters<typeof binding.tensorFromStorage>): Tensor {
  try {
    return new Tensor(binding.tensorFromStorage(...view))
  } catch (cause) {
    const { code, message } = cause as SosError
    throw new SosError(code, `${name}: ${message}`, { cause })
  }
}

function replaced(tensor: Tensor, by: Tensor): Tensor {
  tensor.dispose()
  return by
}

function read(source: ByteSource, names: string[]): Promise<TensorHandle[]> {
  return source.native((from) => binding.readRecords(from, names))
}

function takeBytes(handle: TensorHandle): Uint8Array {
  const bytes = new Uint8Array(binding.tensorToArrayBuffer(handle))
  binding.dispose(handle)
  return bytes
}

async function isBigEndian(source: ByteSource, records: Map<string, number>): Promise<boolean> {
  const length = records.get('byteorder')
  if (length === undefined || length > 16) return false
  const [record] = await read(source, ['byteorder'])
  return Buffer.from(takeBytes(record!)).toString('latin1') === 'big'
}

/** The bytes of each element in the other order; a complex number is two. */
function swapped(handle: TensorHandle, { dtype }: PickledStorage): TensorHandle {
  const size = elementSize(dtype) / (dtype?.startsWith('complex') ? 2 : 1)
  const bytes = new Uint8Array(binding.tensorToArrayBuffer(handle))
  binding.dispose(handle)
  for (let i = 0; i + size <= bytes.length; i += size) bytes.subarray(i, i + size).reverse()
  return binding.tensorFromTypedArray(bytes, 'uint8', [bytes.length], 'cpu', currentContext().modes)
}

function elementSize(dtype: string | null): number {
  return dtype === null ? 1 : storedDType('dtype', dtype)!.bytes
}

function sizeIn(value: PickleValue | undefined): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new Error('expected a size')
}
