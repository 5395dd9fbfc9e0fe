import { scope, type Tensor, torch } from '../../torch/index.js'
import { rowBasis } from './pivoted-qr.js'
import { largestOf } from './row-space.js'

/**
 * What a solver finds that cuts by a tolerance alone. All of these solvers take float64 tensors A [b, m], Z = AV [b, n]
 * and V [m, n] on the CPU, and cut below `tolerance` times the largest pivot or singular value.
 */
export interface DirectSolution {
  /** V*, [m, n]. */
  readonly solution: Tensor
  /** r, the number of directions that are kept. */
  readonly rank: number
}

/** V* = Q(QᵀV), with Q from a QR decomposition of Aᵀ with column pivoting. It divides by nothing small. */
export async function solveByPivotedQr(
  a: Tensor,
  _z: Tensor,
  tolerance: number,
  v: Tensor,
): Promise<DirectSolution> {
  const basis = await rowBasis(a, tolerance)
  const solution = await torch.async.matmul(basis, await torch.async.matmul(basis.t(), v))
  return { solution, rank: basis.shape[1]! }
}

/** V* = A⁺Z, with the Moore–Penrose inverse A⁺ of a decomposition that is cut. The rank is the trace of A⁺A. */
export async function solveByPseudoinverse(a: Tensor, z: Tensor, tolerance: number): Promise<DirectSolution> {
  const inverse = await torch.async.linalg_pinv(a, { rtol: tolerance })
  const solution = await torch.async.matmul(inverse, z)
  return { solution, rank: Math.round(inverse.t().mul(a).sum().item()) }
}

/**
 * Lines 5 to 7 of Algorithm 1, with samples as rows: Gaussian elimination of [A, Z] with partial pivoting, without the
 * rows that become zero; then V* = A_*ᵀ(A_*A_*ᵀ)⁻¹Z_*.
 */
export async function solveByElimination(a: Tensor, z: Tensor, tolerance: number): Promise<DirectSolution> {
  const m = a.shape[1]!
  return scope(async () => {
    const echelon = torch.cat([a, z], 1)
    const rank = await eliminate(echelon, m, tolerance)
    const rows = echelon.narrow(0, 0, rank)
    const [left, right] = [rows.narrow(1, 0, m), rows.narrow(1, m, z.shape[1]!)]
    if (rank === 0) return { solution: torch.zeros([m, z.shape[1]!], { dtype: 'float64' }), rank }
    const inverse = await torch.async.linalg_inv(await torch.async.matmul(left, left.t()))
    const solution = left.t().matmul(await torch.async.matmul(inverse, right))
    return { solution, rank }
  })
}

/**
 * Brings the first `columns` columns of `matrix` to row echelon form, in place. Returns the number of rows that are not
 * zero.
 */
async function eliminate(matrix: Tensor, columns: number, tolerance: number): Promise<number> {
  const [rows, width] = matrix.shape as [number, number]
  let rank = 0
  // An entry that is noise beside the largest one is not a pivot, even if it comes first.
  let floor = tolerance * (await largestOf(matrix.narrow(1, 0, columns)))
  for (let column = 0; column < columns && rank < rows; column++) {
    const below = rows - rank
    await scope(async () => {
      const candidates = matrix.narrow(0, rank, below).select(1, column)
      const [largest, at] = candidates.abs().max(0)
      const pivot = largest.item()
      floor = Math.max(floor, tolerance * pivot)
      if (pivot <= floor) return
      swapRows(matrix, rank, rank + Number(at.item()))
      if (below > 1) {
        const rest = matrix.narrow(0, rank + 1, below - 1).narrow(1, column, width - column)
        const factors = rest.select(1, 0).div(matrix.select(0, rank).select(0, column)).neg_()
        const row = matrix.select(0, rank).narrow(0, column, width - column)
        await torch.async.addr_(rest, factors, row)
        rest.select(1, 0).zero_()
      }
      rank++
    })
  }
  return rank
}

function swapRows(matrix: Tensor, i: number, j: number): void {
  if (i === j) return
  const kept = matrix.select(0, i).clone()
  matrix.select(0, i).copy_(matrix.select(0, j))
  matrix.select(0, j).copy_(kept)
}
