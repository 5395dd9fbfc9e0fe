import { expectObject, SosError } from '../../base/index.js'
import { type DType, scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor, hold } from '../../torch/internal.js'
import { checkRankPolicy, chooseRank, countAbove, damping, type RankPolicy, rankOfLogits } from './rank.js'

/** The row space of A, from its singular value decomposition A = UΣQᵀ. */
export interface RowSpace {
  /** An orthonormal basis, float64 [m, rank]. */
  readonly basis: Tensor
  /** r, its dimension. */
  readonly rank: number
  /** All min(rows, m) singular values, in descending order. */
  readonly singularValues: readonly number[]
  /** The factor of each direction of the basis in a projection; null if all are 1. */
  readonly filter: readonly number[] | null
  /** Qᵀv, float64 [rank, n], if the rank policy needed it. */
  readonly coordinates?: Tensor
}

/**
 * How the singular vectors are found: from A itself, or from its Gram matrix, which is cheaper and has half the digits.
 */
export type Decomposition = 'svd' | 'gram'

/** How the row space is found and cut. */
export interface RowSpaceOptions {
  /** Default: `svd`. */
  decomposition?: Decomposition
  /** How many directions to keep. Default: `tolerance`. */
  rank?: RankPolicy
  /** V, float64 [m, n]; needed by the policy `logits`. */
  v?: Tensor
}

/**
 * The default rank tolerance for features of a dtype. Singular values below it are noise of that arithmetic. The usual
 * max(rows, m) · eps would cut directions that carry logits: on collapsed features it halves the rank.
 *
 * @param dtype the dtype that the features came in
 * @returns 1e-12 for float64, 1e-3 for float16 and bfloat16, 1e-6 for all others
 * @example
 * console.log(defaultTolerance('float32')) // → 0.000001
 */
export function defaultTolerance(dtype: DType): number {
  if (dtype === 'float64') return 1e-12
  if (dtype === 'float16' || dtype === 'bfloat16') return 1e-3
  return 1e-6
}

/**
 * Finds the row space of A, in float64 on the CPU, off the event loop.
 *
 * @param a A, [rows, m], any floating-point dtype
 * @param options the decomposition, the rank policy, and V for the policy `logits`
 * @returns an orthonormal basis of it, its rank, and all singular values
 * @throws `ERR_RANK_POLICY` for an invalid policy, or for `logits` without `v`
 * @example
 * const space = await rowSpace(torch.rand([20, 2]).matmul(torch.rand([2, 6])))
 * console.log(space.rank, space.basis.shape) // → 2 [ 6, 2 ]
 */
export async function rowSpace(a: Tensor, options: RowSpaceOptions = {}): Promise<RowSpace> {
  expectTensor('a', a)
  expectObject('options', options)
  const { decomposition = 'svd', rank: policy = { policy: 'tolerance' }, v } = options
  checkRankPolicy(policy)
  using _held = hold('rowSpace()', [a, v])
  return await scope(async () => {
    const rows = a.to({ device: 'cpu', dtype: 'float64' })
    const system = decomposition === 'svd' ? await ofMatrix(rows) : await ofGram(rows)
    const { q, singularValues, floor } = system
    // Below the floor of the arithmetic there is only noise, whatever the policy.
    const full = countAbove(singularValues, floor)
    let coordinates: Tensor | undefined
    const rank = await chooseRank(policy, singularValues, full, {
      tolerance: Math.max(floor, defaultTolerance(a.dtype)),
      rankOfDelta: async (delta) => {
        if (v === undefined) {
          throw new SosError('ERR_RANK_POLICY', "expected v, the layer's weights, for the policy 'logits'")
        }
        coordinates = await torch.async.matmul(q.t(), v)
        return rankOfLogits(await system.left(), coordinates, delta, full)
      },
    })
    return {
      basis: q.narrow(1, 0, rank),
      rank,
      singularValues,
      filter: policy.policy === 'ridge' ? damping(singularValues, rank, policy.lambda) : null,
      ...(coordinates && { coordinates: coordinates.narrow(0, 0, rank) }),
    }
  })
}

/**
 * Projects V on a row space: V* = Q(QᵀV), the solution of AV* = AV with the least norm (equation 13 of the paper,
 * without its inverse). It runs off the event loop.
 *
 * @param space the row space, as `rowSpace` returns it
 * @param v V, float64 [m, n]
 * @param coordinates Qᵀv, if it is known; `rowSpace` returns that of its own v. Default: it is computed
 * @returns V*, float64 [m, n]
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const [a, v] = [torch.rand([3, 6], { dtype: 'float64' }), torch.rand([6, 2], { dtype: 'float64' })]
 * const vStar = await projectOnRowSpace(await rowSpace(a), v)
 * console.log(torch.allclose(a.matmul(vStar), a.matmul(v))) // → true
 */
export function projectOnRowSpace(space: RowSpace, v: Tensor, coordinates?: Tensor): Promise<Tensor> {
  expectObject('space', space)
  expectTensor('its basis', space.basis)
  expectTensor('v', v)
  const { basis, filter } = space
  return scope(async () => {
    const known = coordinates ?? (await torch.async.matmul(basis.t(), v))
    if (filter === null) return torch.async.matmul(basis, known)
    const factors = torch.tensor([...filter], { dtype: 'float64' }).unsqueeze(1)
    return torch.async.matmul(basis, known.mul(factors))
  })
}

interface SingularSystem {
  /** float64 [m, k] */
  readonly q: Tensor
  readonly singularValues: readonly number[]
  /** A·Q = UΣ, float64 [rows, k] */
  left(): Promise<Tensor>
  /** Singular values below this share of the largest one are noise of the decomposition. */
  readonly floor: number
}

const epsilon = 2 ** -52

async function ofMatrix(a: Tensor): Promise<SingularSystem> {
  const [u, sigma, qt] = await torch.async.linalg_svd(a, false)
  const left = () => torch.async.mul(u, sigma)
  return { q: qt.t(), singularValues: numbers(sigma), left, floor: Math.max(...a.shape) * epsilon }
}

/**
 * By the eigenvalues of AAᵀ or AᵀA, whichever is smaller: σ = √λ, Q = AᵀU/σ. Squaring halves the digits: singular
 * values below √(k · eps) · σ₁ are lost.
 */
async function ofGram(whole: Tensor): Promise<SingularSystem> {
  const [rows, m] = whole.shape as [number, number]
  const size = (await largestOf(whole)) || 1
  const a = whole.div(size) // squares neither overflow nor vanish
  const wide = rows < m
  const gram = await torch.async.matmul(wide ? a : a.t(), wide ? a.t() : a)
  const [ascending, vectors] = await torch.async.linalg_eigh(gram)
  const unit = numbers(ascending.flip([0]).clamp_min(0).sqrt())
  const singularValues = unit.map((value) => value * size)
  const u = vectors.flip([1])
  const floor = Math.sqrt(Math.min(rows, m) * epsilon)
  if (!wide) return { q: u, singularValues, left: () => torch.async.matmul(whole, u), floor }
  const scale = unit.map((value) => (value > floor * unit[0]! ? 1 / value : 0))
  const q = (await torch.async.matmul(a.t(), u)).mul(torch.tensor(scale, { dtype: 'float64' }))
  // Division by small singular values leaves the columns not quite orthogonal: one QR makes them so.
  const [orthonormal] = await torch.async.linalg_qr(q)
  return { q: orthonormal, singularValues, left: () => torch.async.matmul(whole, orthonormal), floor }
}

/** max |a|; 0 for an empty tensor. */
export async function largestOf(a: Tensor): Promise<number> {
  if (a.numel() === 0) return 0
  const [least, most] = await torch.async.aminmax(a)
  return Math.max(-least.item(), most.item())
}

function numbers(tensor: Tensor): number[] {
  return Array.from(tensor.toTypedArray() as Float64Array)
}
