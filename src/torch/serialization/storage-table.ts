import { clipped, SosError } from '../../base/index.js'
import { PickledDType, PickledStorage, type PickleValue } from './pickle-values.js'
import { storedElementSize } from './stored-dtype.js'

/** The storages that the persistent ids of a pickle mention. Each has one size. */
export class StorageTable {
  readonly #roots = new Map<string, PickledStorage>()

  /** @param file the name of the file, for messages */
  constructor(readonly file: string) {}

  /** The storage with a key. Throws `ERR_DAMAGED_FILE` when no persistent id mentioned it. */
  get(key: string): PickledStorage {
    const found = this.#roots.get(key)
    if (found !== undefined) return found
    throw new SosError(
      'ERR_DAMAGED_FILE',
      `${this.file}: the file is damaged: nothing uses its storage '${clipped(key)}'`,
    )
  }

  /**
   * The storage for the persistent id `('storage', class, key, device, number of elements)`. In legacy files a view `(key, offset, number)` of the
   * storage may follow. Throws an Error for other ids.
   */
  of(id: PickleValue): PickledStorage {
    const [kind, type, key, , count, view] = Array.isArray(id) ? id : []
    if (kind !== 'storage' || !(type instanceof PickledDType) || typeof key !== 'string') {
      throw new Error('expected a storage')
    }
    const size = storedElementSize(type.dtype)
    const bytes = toSize(count) * size
    const root = this.#roots.get(key) ?? new PickledStorage(key, type.dtype, bytes, 0)
    if (root.bytes !== bytes) throw new Error(`'${clipped(key)}' has two sizes`)
    this.#roots.set(key, root)
    if (!Array.isArray(view)) {
      return root.dtype === type.dtype ? root : new PickledStorage(key, type.dtype, bytes, 0)
    }
    const [, offset, viewed] = view
    const start = toSize(offset) * size
    const length = toSize(viewed) * size
    if (start + length > bytes) throw new Error(`a view of '${clipped(key)}' does not lie within it`)
    return new PickledStorage(key, type.dtype, length, start)
  }
}

function toSize(value: PickleValue | undefined): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new Error('expected a size')
}
