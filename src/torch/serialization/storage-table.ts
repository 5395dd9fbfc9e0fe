import { clipped, SosError } from '../../base/index.js'
import { PickledDType, PickledStorage, type PickleValue } from './pickle-values.js'
import { elementSize } from './stored-dtype.js'

/** The storages that the persistent ids of a pickle mention, each of one size. */
export class StorageTable {
  readonly #roots = new Map<string, PickledStorage>()

  /** @param file its name, for messages */
  constructor(readonly file: string) {}

  /** @throws `ERR_DAMAGED_FILE` where no persistent id mentioned it */
  get(key: string): PickledStorage {
    const found = this.#roots.get(key)
    if (found !== undefined) return found
    throw new SosError('ERR_DAMAGED_FILE', `${this.file}: nothing uses its storage '${clipped(key)}'`)
  }

  /**
   * For the persistent id `('storage', class, key, device, number of elements)`, with a view `(key, offset, number)` of it
   * at the end in legacy files. Throws an Error for others.
   */
  of(id: PickleValue): PickledStorage {
    const [kind, type, key, , count, view] = Array.isArray(id) ? id : []
    if (kind !== 'storage' || !(type instanceof PickledDType) || typeof key !== 'string') {
      throw new Error('expected a storage')
    }
    const size = elementSize(type.dtype)
    const bytes = sizeIn(count) * size
    const root = this.#roots.get(key) ?? new PickledStorage(key, type.dtype, bytes, 0)
    if (root.bytes !== bytes) throw new Error(`'${clipped(key)}' has two sizes`)
    this.#roots.set(key, root)
    if (!Array.isArray(view)) {
      return root.dtype === type.dtype ? root : new PickledStorage(key, type.dtype, bytes, 0)
    }
    const [, offset, viewed] = view
    const start = sizeIn(offset) * size
    const length = sizeIn(viewed) * size
    if (start + length > bytes) throw new Error(`a view of '${clipped(key)}' does not lie within it`)
    return new PickledStorage(key, type.dtype, length, start)
  }
}

function sizeIn(value: PickleValue | undefined): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new Error('expected a size')
}
