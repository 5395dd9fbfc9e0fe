import { scope, type Tensor, torch } from '../../torch/index.js'

/**
 * If a length has lost all but this share of its square by subtraction, it is computed anew (√eps, as in LAPACK's
 * dlaqp2).
 */
const cancellation = 2 ** -26

/**
 * Finds an orthonormal basis of the row space of A, by Householder's QR decomposition of Aᵀ with column pivoting
 * (Businger and Golub 1965). Each step takes the row of A that lies farthest from those before, until none is farther
 * than `tolerance` times the first. libtorch's `linalg_lstsq` with the driver gelsy does something similar. But its
 * pivots start from uninitialised memory, and a zero column in front may make its rank 0.
 *
 * Only a small matrix is pivoted: A is first reduced to min(rows, m) rows and columns by a QR decomposition without
 * pivoting.
 *
 * @param a float64 [rows, m] on the CPU, finite, of a size whose squares neither overflow nor vanish
 * @returns float64 [m, rank]
 */
export async function rowBasis(a: Tensor, tolerance: number): Promise<Tensor> {
  const [rows, m] = a.shape as [number, number]
  return scope(async () => {
    if (rows > m) {
      const [, factor] = await torch.async.linalg_qr(a, 'r')
      return pivotedBasis(factor.t().contiguous(), tolerance)
    }
    const [outer, factor] = await torch.async.linalg_qr(a.t(), 'reduced')
    return torch.async.matmul(outer, await pivotedBasis(factor.contiguous(), tolerance))
  })
}

/** The basis of the columns of a square matrix, which is overwritten. */
async function pivotedBasis(matrix: Tensor, tolerance: number): Promise<Tensor> {
  const size = matrix.shape[0]!
  const squares = matrix.square().sum([0]).toTypedArray<Float64Array>().slice()
  const trusted = squares.slice()
  const factors: number[] = []
  let first = 0
  for (let step = 0; step < size; step++) {
    const pivot = largestFrom(squares, step)
    swapColumns(matrix, step, pivot)
    for (const list of [squares, trusted]) list[pivot] = list[step]!
    const done = await scope(async () => {
      const rest = matrix.narrow(0, step, size - step).narrow(1, step, size - step)
      const column = rest.select(1, 0)
      const length = column.norm().item()
      if (step === 0) first = length
      if (!(length > tolerance * first)) return true
      const head = column.select(0, 0).item()
      const diagonal = head > 0 ? -length : length
      // H = I − τvvᵀ with v₁ = 1, as LAPACK keeps it: v below the diagonal, and the diagonal's entry is R's.
      const factor = (diagonal - head) / diagonal
      column
        .div_(head - diagonal)
        .select(0, 0)
        .fill_(1)
      if (size - step > 1) {
        const right = rest.narrow(1, 1, size - step - 1)
        const products = await torch.async.mv(right.t(), column)
        await torch.async.addr_(right, column, products, { alpha: -factor })
        lessen(squares, trusted, right, step + 1)
      }
      factors.push(factor)
      return false
    })
    if (done) break
  }
  const rank = factors.length
  if (rank === 0) return torch.zeros([size, 0], { dtype: 'float64' })
  const vectors = matrix.narrow(1, 0, rank).tril()
  return torch.async.linalg_householder_product(vectors, torch.tensor(factors, { dtype: 'float64' }))
}

/** Updates the squared lengths of the columns below their first entries, which now belong to R. */
function lessen(squares: Float64Array, trusted: Float64Array, right: Tensor, start: number): void {
  const top = right.select(0, 0).toTypedArray<Float64Array>()
  const lost: number[] = []
  for (let i = 0; i < top.length; i++) {
    const left = squares[start + i]! - top[i]! ** 2
    squares[start + i] = Math.max(0, left)
    if (!(left > cancellation * trusted[start + i]!)) lost.push(i)
  }
  if (lost.length === 0 || right.shape[0] === 1) return
  const below = right.narrow(0, 1, right.shape[0]! - 1)
  const columns = below.index_select(1, torch.tensor(lost, { dtype: 'int64' }))
  const exact = columns.square().sum([0]).toTypedArray<Float64Array>()
  for (const [i, column] of lost.entries()) {
    squares[start + column] = exact[i]!
    trusted[start + column] = exact[i]!
  }
}

function largestFrom(values: Float64Array, start: number): number {
  let best = start
  for (let i = start + 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

function swapColumns(matrix: Tensor, i: number, j: number): void {
  if (i === j) return
  scope(() => {
    const kept = matrix.select(1, i).clone()
    matrix.select(1, i).copy_(matrix.select(1, j))
    matrix.select(1, j).copy_(kept)
  })
}
