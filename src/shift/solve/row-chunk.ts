import { SosError } from '../../base/index.js'
import { type Tensor, torch } from '../../torch/index.js'

/** The size of a block in float64: large enough for matrix products at full speed, small beside what is accumulated. */
const BLOCK_BYTES = 2 ** 25

/**
 * A chunk of rows as blocks of bounded size, in float64 on the CPU, off the event loop. A block is disposed of when the
 * next one is asked for.
 *
 * @throws `ERR_SHAPE`, `ERR_DTYPE`
 */
export async function* blocksOf(rows: Tensor, features: number): AsyncGenerator<Tensor> {
  expectRows(rows, features)
  const own = rows.dtype !== 'float64' || rows.device !== 'cpu'
  const length = blockLength(features)
  for (let start = 0; start < rows.shape[0]!; start += length) {
    using part = rows.narrow(0, start, Math.min(length, rows.shape[0]! - start))
    if (own) {
      using block = await torch.async._to_copy(part, { dtype: 'float64', device: 'cpu' })
      yield block
    } else {
      yield part
    }
  }
}

/** The number of rows in a block. */
export function blockLength(features: number): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / 8 / features))
}

function expectRows(rows: Tensor, features: number): void {
  if (rows.ndim !== 2 || rows.shape[1] !== features) {
    throw new SosError('ERR_SHAPE', `expected rows [k, ${features}] but received [${rows.shape.join(', ')}]`)
  }
  if (!/^b?float/.test(rows.dtype)) {
    throw new SosError(
      'ERR_DTYPE',
      `expected rows of a floating-point dtype but received ${rows.dtype}; convert them by to('float64')`,
    )
  }
}
