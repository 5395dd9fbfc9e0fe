import { expectObject, SosError } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor, hold } from '../../torch/internal.js'
import { solveByElimination, solveByPivotedQr, solveByPseudoinverse } from './direct-solvers.js'
import { inFloat64 } from './linear-map.js'
import { checkRankPolicy, gapWarning, type RankPolicy } from './rank.js'
import { defaultTolerance, largestOf, projectOnRowSpace, rowSpace } from './row-space.js'

/**
 * How AV* = Z is solved, all in float64:
 *
 * - `svd`: by the singular value decomposition of A. The default: it finds the rank best and costs no more than a
 *   pseudo-inverse.
 * - `gram`: by the eigenvalues of AAᵀ or AᵀA. Directions below about 1e-7 · σ₁ are lost. `npm run bench -- solve`
 *   prints what each solver costs.
 * - `qr`: the row space by a QR decomposition of Aᵀ with column pivoting.
 * - `gaussian`: Algorithm 1 of the paper to the letter: [A, Z] is eliminated, zero rows are dropped, A_*A_*ᵀ is
 *   inverted. It is there for comparison: the inverse squares the condition number of A_*.
 * - `pinv`: the Moore–Penrose inverse times Z.
 *
 * `svd` and `gram` support every rank policy; the others support a tolerance alone.
 */
export type Solver = 'svd' | 'gram' | 'qr' | 'gaussian' | 'pinv'

/**
 * What becomes of the bias c. All three ways keep the batch's logits exactly:
 *
 * - `fixed`: the bias stays, as in the paper.
 * - `absorb`: A is centred, and c* = c + (V − V*)ᵀā with ā the mean of A's rows. ‖V*‖ is never larger than with
 *   `fixed`.
 * - `augment`: [A 1] and [V; cᵀ] are projected together.
 */
export type BiasMode = 'fixed' | 'absorb' | 'augment'

/** The names of all solvers. */
export const solvers: readonly Solver[] = ['svd', 'qr', 'gram', 'gaussian', 'pinv']
/** The names of all bias modes. */
export const biasModes: readonly BiasMode[] = ['fixed', 'absorb', 'augment']

/** How V* is solved for. */
export interface SolveOptions {
  /** Default: `svd`. */
  solver?: Solver
  /**
   * How many directions are kept. Default: `logits` with δ = 1e-3 for `svd` and `gram`; `tolerance` by the dtype of A
   * for the others.
   */
  rank?: RankPolicy
  /** What becomes of the bias. Default: `fixed`. */
  bias?: BiasMode
  /**
   * More matrices [m, n] that are projected on the directions that V* keeps, for example an optimizer's momentum of V.
   * They need the solver `svd` or `gram`, and cannot be used with the bias mode `augment`, whose directions have m + 1
   * inputs. Default: none.
   */
  companions?: readonly Tensor[]
}

/** V*, and what was found on the way. */
export interface Solution {
  /** V*, float64 [m, n]. */
  readonly weight: Tensor
  /** c*, float64 [n]; null if there is none. */
  readonly bias: Tensor | null
  /** r, the number of directions that are kept. */
  readonly rank: number
  /**
   * The singular values of the matrix that was decomposed, in descending order; null if the solver does not compute
   * them.
   */
  readonly singularValues: readonly number[] | null
  /** The projected companions, float64 [m, n]. */
  readonly companions: readonly Tensor[]
  /** What may make the solution doubtful, in sentences. */
  readonly warnings: readonly string[]
}

/**
 * Solves for V*, the solution of AV* = AV with the least norm (equations 9 to 13 of the paper), in float64 on the CPU,
 * off the event loop.
 *
 * @param a A, the layer's inputs, [b, m], any floating-point dtype
 * @param v V, the layer's weights, [m, n]: the transpose of what TorchScript keeps
 * @param bias the layer's bias, [n], or null
 * @param options the solver, the rank policy and the bias mode
 * @returns V*, c* and the rank
 * @throws `ERR_RANK_POLICY` for a policy that is invalid or that the solver does not support; `ERR_BIAS` if there is no
 *   bias to absorb or augment; `ERR_NOT_FINITE` if A holds NaN or infinity
 * @example
 * const [a, v] = [torch.rand([3, 6]), torch.rand([6, 2])]
 * const { weight, rank } = await solveShift(a, v, null)
 * console.log(rank, weight.shape, torch.allclose(a.matmul(weight.to('float32')), a.matmul(v), { rtol: 1e-4 })) // → 3 [ 6, 2 ] true
 */
export async function solveShift(
  a: Tensor,
  v: Tensor,
  bias: Tensor | null,
  options: SolveOptions = {},
): Promise<Solution> {
  expectTensor('a', a)
  expectTensor('v', v)
  if (bias !== null) expectTensor('bias', bias)
  expectObject('options', options)
  using _held = hold('solveShift()', [a, v, bias, ...(options.companions ?? [])])
  checkModes(options, bias)
  if (!(await allFinite(a))) {
    throw new SosError(
      'ERR_NOT_FINITE',
      'expected the inputs of the layer to be finite but they hold NaN or infinity: the model or its preprocessing is not right for these images',
    )
  }
  const tolerance = defaultTolerance(a.dtype) // of the dtype that the features came in, not of float64
  const { bias: mode = 'fixed' } = options
  return await scope(async () => {
    const [rows, weight] = [inFloat64(a), inFloat64(v)]
    const own = bias === null ? null : inFloat64(bias)
    if (own === null || mode === 'fixed') {
      return { ...(await minimise(rows, weight, tolerance, options)), bias: own }
    }
    const solve = mode === 'absorb' ? solveAbsorbed : solveAugmented
    return solve(rows, weight, own, tolerance, options)
  })
}

function checkModes(
  { bias: mode = 'fixed', rank, companions, solver }: SolveOptions,
  bias: Tensor | null,
): void {
  if (rank !== undefined) checkRankPolicy(rank)
  if (bias === null && mode !== 'fixed') {
    throw new SosError(
      'ERR_BIAS',
      `expected a layer with a bias for the mode '${mode}' but it has none; take 'fixed'`,
    )
  }
  if (companions === undefined || (mode !== 'augment' && knowsSpace(solver))) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected the solver svd or gram, and the bias mode fixed or absorb, to project companions but received ${solver ?? 'svd'} and ${mode}`,
  )
}

/** c* = c + (V − V*)ᵀā, where V* is solved for on A less its mean row ā. */
async function solveAbsorbed(
  a: Tensor,
  v: Tensor,
  bias: Tensor,
  noise: number,
  options: SolveOptions,
): Promise<Solution> {
  const mean = a.mean([0])
  const solved = await minimise(a.sub(mean), v, noise, options)
  return { ...solved, bias: bias.add(mean.matmul(v.sub(solved.weight))) }
}

/** V* and c* are the rows of the solution for [A 1] and [V; cᵀ]. */
async function solveAugmented(
  a: Tensor,
  v: Tensor,
  bias: Tensor,
  noise: number,
  options: SolveOptions,
): Promise<Solution> {
  const [rows, m] = a.shape as [number, number]
  const ones = torch.ones([rows, 1], { dtype: 'float64' })
  const joint = torch.cat([v, bias.unsqueeze(0)])
  const solved = await minimise(torch.cat([a, ones], 1), joint, noise, options)
  const { weight } = solved
  return { ...solved, weight: weight.narrow(0, 0, m).clone(), bias: weight.select(0, m).clone() }
}

/** Solves without regard to the bias, all in float64. */
async function minimise(
  a: Tensor,
  v: Tensor,
  noise: number,
  { solver = 'svd', rank, companions = [] }: SolveOptions,
): Promise<Omit<Solution, 'bias'>> {
  if (knowsSpace(solver)) {
    const policy = rank ?? { policy: 'logits' }
    const space = await rowSpace(a, {
      decomposition: solver,
      rank: policy.policy === 'tolerance' ? { ...policy, tolerance: policy.tolerance ?? noise } : policy,
      v,
    })
    const { singularValues } = space
    const warning = space.filter === null ? gapWarning(singularValues, space.rank) : null
    return {
      weight: await projectOnRowSpace(space, v, space.coordinates),
      rank: space.rank,
      singularValues,
      companions: await Promise.all(companions.map((matrix) => projectOnRowSpace(space, inFloat64(matrix)))),
      warnings: warning === null ? [] : [warning],
    }
  }
  const policy = rank ?? { policy: 'tolerance' }
  if (policy.policy !== 'tolerance') {
    throw new SosError(
      'ERR_RANK_POLICY',
      `the solver '${solver}' cuts by a tolerance alone but received the rank policy '${policy.policy}'; take svd or gram for it`,
    )
  }
  const unit = a.div((await largestOf(a)) || 1) // squares neither overflow nor vanish, and V* stays the same
  const z = await torch.async.matmul(unit, v)
  const solve = { qr: solveByPivotedQr, gaussian: solveByElimination, pinv: solveByPseudoinverse }[solver]
  // Below the rounding of the decomposition there is nothing to keep, whatever the tolerance.
  const cut = Math.max(policy.tolerance ?? noise, Math.max(...a.shape) * 2 ** -52)
  const { solution, rank: found } = await solve(unit, z, cut, v)
  return { weight: solution, rank: found, singularValues: null, companions: [], warnings: [] }
}

function knowsSpace(solver: Solver = 'svd'): solver is 'svd' | 'gram' {
  return solver === 'svd' || solver === 'gram'
}

/** The smallest and the largest element are NaN if any element is. */
async function allFinite(a: Tensor): Promise<boolean> {
  if (a.numel() === 0) return true
  const [least, most] = await torch.async.aminmax(a)
  return Number.isFinite(least.item()) && Number.isFinite(most.item())
}
