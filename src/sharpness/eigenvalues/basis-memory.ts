import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { SosError } from '../../base/index.js'
import { type DType, keepTensor, type Tensor, torch } from '../../torch/index.js'
import { elementSize } from '../../torch/internal.js'

/**
 * Makes room for rows, [rows, size]: in memory or, if a folder is given, in a file there that is mapped into memory, so that the system can
 * write parts of it out when memory is short. The file has no name any more when this returns, so nothing of it stays behind however the
 * process ends. The caller disposes of the tensor.
 *
 * @throws `ERR_OUTPUT` if the file cannot be written
 */
export async function roomForRows(
  rows: number,
  size: number,
  dtype: DType,
  folder: string | null,
): Promise<Tensor> {
  if (folder === null) return keepTensor(torch.empty([rows, size], { dtype }))
  const failed = (cause: unknown): SosError =>
    new SosError(
      'ERR_OUTPUT',
      `${folder}: the basis of the eigenvalues cannot be written there: ${(cause as Error).message}; name another folder for it`,
      { cause },
    )
  const own = await mkdtemp(join(folder, 'sos-basis-')).catch((cause) => {
    throw failed(cause)
  })
  try {
    const path = join(own, 'rows')
    await fill(path, rows * size * elementSize(dtype)).catch((cause) => {
      throw failed(cause)
    })
    using flat = torch.from_file(path, true, rows * size, { dtype })
    return keepTensor(flat.view([rows, size]))
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}

/** Writes zeros. Without them a disk that becomes full would end the process when the mapping is written to. */
async function fill(path: string, bytes: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(bytes, 2 ** 24))
  await using file = await open(path, 'wx', 0o600)
  for (let written = 0; written < bytes; ) {
    const { bytesWritten } = await file.write(zeros, 0, Math.min(zeros.length, bytes - written))
    written += bytesWritten
  }
}
