import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SosError } from '../../base/index.js'
import { type DType, keepTensor, type Tensor, torch } from '../../torch/index.js'
import { elementLayout } from '../../torch/internal.js'

/** Where many rows are kept. */
export interface RowStoreOptions {
  /** The number of bytes above which rows are kept in a memory-mapped file. Default: 1 GiB. */
  mapAbove?: number
  /** The folder of that file. Default: the system's folder for temporary files. */
  cacheFolder?: string
}

/** Collects rows of equal width, batch after batch, into one tensor. */
export interface RowStore {
  /** @param rows [n, width], of the store's dtype, on the CPU */
  add(rows: Tensor): Promise<void>
  /** Returns all rows, [rows, width]. The caller disposes of the tensor. */
  finish(): Promise<Tensor>
  /** Frees the rows; does nothing after {@link finish}. */
  discard(): Promise<void>
}

/**
 * Makes a store in memory or, if `most` rows would take more than `mapAbove`, in a file. The file has no name any more
 * when its tensor is returned, so nothing of it stays behind however the process ends.
 *
 * @param most the largest number of rows that will be added
 */
export function rowStore(
  most: number,
  width: number,
  dtype: DType,
  options: RowStoreOptions = {},
): Promise<RowStore> {
  const { mapAbove = 2 ** 30, cacheFolder = tmpdir() } = options
  const { array } = elementLayout(dtype)
  const bytes = most * width * new array(new ArrayBuffer(0)).BYTES_PER_ELEMENT
  return bytes > mapAbove ? storeInFile(width, dtype, cacheFolder) : storeInMemory(most, width, dtype)
}

async function storeInMemory(most: number, width: number, dtype: DType): Promise<RowStore> {
  const all = keepTensor(torch.empty([most, width], { dtype }))
  let filled = 0
  return {
    async add(rows) {
      using part = all.narrow(0, filled, rows.shape[0]!)
      part.copy_(rows)
      filled += rows.shape[0]!
    },
    async finish() {
      if (filled === most) return all
      const part = keepTensor(all.narrow(0, 0, filled))
      all.dispose()
      return part
    },
    async discard() {
      all.dispose()
    },
  }
}

async function storeInFile(width: number, dtype: DType, cacheFolder: string): Promise<RowStore> {
  const failed = (cause: unknown): SosError =>
    new SosError(
      'ERR_OUTPUT',
      `${cacheFolder}: the cache of the features cannot be written: ${(cause as Error).message}; name another folder for it`,
      { cause },
    )
  const folder = await mkdtemp(join(cacheFolder, 'sos-features-')).catch((cause) => {
    throw failed(cause)
  })
  const path = join(folder, 'rows')
  const removed = () => rm(folder, { recursive: true, force: true })
  const file = await open(path, 'wx', 0o600).catch(async (cause) => {
    await removed()
    throw failed(cause)
  })
  let filled = 0
  const end = () => file.close().finally(removed)
  return {
    // Written through the file system and mapped afterwards: a full disk is an error here, but would be a crash in a mapping.
    async add(rows) {
      const bytes = rows.contiguous().toBuffer()
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, written).catch((cause) => {
          throw failed(cause)
        })
        written += bytesWritten
      }
      filled += rows.shape[0]!
    },
    async finish() {
      try {
        if (filled === 0) return keepTensor(torch.empty([0, width], { dtype }))
        using flat = torch.from_file(path, true, filled * width, { dtype })
        return keepTensor(flat.view([filled, width]))
      } finally {
        await end()
      }
    },
    discard: end,
  }
}
