import { scope, type Tensor, torch } from '../../torch/index.js'
import { defaultTolerance } from '../solve/row-space.js'

/** One point of a norm path. */
export interface NormPathPoint {
  readonly batchSize: number
  readonly norm: number
}

/**
 * ‖V*_b‖ for all batches that are the first b rows of A, from one QR decomposition without pivoting. The first b
 * columns of Q in Aᵀ = QR span the row space of the first b rows, so ‖V*_b‖² is the sum of the squared norms of the
 * first b rows of QᵀV.
 *
 * The rows must be independent for this. A row that is not (|R_bb| is below the noise of A's dtype) adds nothing, and
 * its column of Q is arbitrary. Such rows are left out, and the others are decomposed again.
 *
 * @param a A, [b, m]
 * @param v V, float64 [m, n]
 * @param most the number of points to return, evenly from the first row to the last
 */
export async function normPath(a: Tensor, v: Tensor, most = 60): Promise<NormPathPoint[]> {
  const [batch, inputs] = a.shape as [number, number]
  const added = new Float64Array(batch)
  await scope(async () => {
    const rows = a.to('float64')
    let kept = Array.from({ length: batch }, (_, i) => i)
    for (let independent = false; !independent && kept.length > 0; ) {
      const chosen = rows.index_select(0, torch.tensor(kept, { dtype: 'int64' }))
      const [q, r] = await torch.async.linalg_qr(chosen.t(), 'reduced')
      const pivots = numbers(r.diagonal().abs())
      const floor = defaultTolerance(a.dtype) * pivots.reduce((x, y) => Math.max(x, y), 0)
      independent = pivots.every((pivot) => pivot > floor)
      if (!independent) kept = kept.filter((_, i) => i >= inputs || pivots[i]! > floor)
      else
        numbers((await torch.async.matmul(q.t(), v)).square().sum([1])).forEach((energy, i) => {
          added[kept[i]!] = energy
        })
    }
  })
  const points: NormPathPoint[] = []
  const count = Math.min(most, batch)
  let [sum, rows] = [0, 0]
  for (let i = 1; i <= count; i++) {
    const batchSize = Math.round((i * batch) / count)
    for (; rows < batchSize; rows++) sum += added[rows]!
    points.push({ batchSize, norm: Math.sqrt(sum) })
  }
  return points
}

const numbers = (tensor: Tensor): number[] => Array.from(tensor.toTypedArray() as Float64Array)
