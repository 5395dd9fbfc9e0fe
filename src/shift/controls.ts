import { expectObject, SosError, shown, whole, wholeSeed } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor, hold } from '../torch/internal.js'
import { frobeniusNorm, inFloat64 } from './solve/linear-map.js'
import { projectOnRowSpace, rowSpace } from './solve/row-space.js'

/**
 * Other ways to shrink V. The effect of a shift counts as its own only if it is better than theirs.
 *
 * - `shrink`: V scaled to the norm of V*.
 * - `pca`: V projected on as many principal directions of a larger set of inputs, about the origin.
 * - `random`: V projected on a random subspace of the same dimension.
 * - `ridge`: (AᵀA + λI)⁻¹AᵀA V on the same batch, with the λ at which its norm is that of V*. If V* keeps all
 *   directions of the batch, λ is 0 and this is the shift itself, not a control; {@link ControlWeights} says so.
 */
export type Control = 'shrink' | 'pca' | 'random' | 'ridge'

/** The names of all controls. */
export const controlNames: readonly Control[] = ['shrink', 'pca', 'random', 'ridge']

/** What a control is made from. */
export interface ControlOptions {
  /** A, the inputs of the shift's batch, [b, m]. */
  a: Tensor
  /** V, [m, n]. */
  v: Tensor
  /** V*, [m, n]. */
  vStar: Tensor
  /** r, the dimension that the shift kept. */
  rank: number
  /**
   * The inputs of many training samples, [N, m], for `pca`. Default: the batch itself, whose directions are those of
   * the shift.
   */
  pool?: Tensor
  /** The seed of the random subspace. Default: 0. */
  seed?: number
}

/** What a control puts in place of V. */
export interface ControlWeights {
  /** The weight, float64 [m, n]. */
  weight: Tensor
  /**
   * λ of `ridge`; 0 if V* is not shorter than the projection without damping: the control is then the shift itself.
   * Null for the other controls.
   */
  lambda: number | null
}

/**
 * Computes the weight that a control puts in place of V. The bias stays.
 *
 * @param control which control
 * @param options the batch, V, V* and its rank
 * @returns the weight, and λ of `ridge`
 * @throws `ERR_INVALID_ARGUMENT` for an unknown control or an invalid option
 * @example
 * const [a, v] = [torch.rand([3, 5]), torch.rand([5, 2])]
 * const { weight: vStar, rank } = await solveShift(a, v, null)
 * const { weight } = await controlWeights('random', { a, v, vStar, rank, seed: 1 })
 * console.log(rank, weight.shape) // → 3 [ 5, 2 ]
 */
export async function controlWeights(control: Control, options: ControlOptions): Promise<ControlWeights> {
  expectObject('options', options)
  const { a, rank, pool = a, seed = 0 } = options
  for (const name of ['a', 'v', 'vStar'] as const) expectTensor(name, options[name])
  expectTensor('pool', pool)
  whole(0, options.v.shape[0])('rank', rank)
  wholeSeed('seed', seed)
  using _held = hold('controlWeights()', [a, pool, options.v, options.vStar])
  if (!controlNames.includes(control)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected one of ${controlNames.join(', ')} for control but received ${shown(control)}`,
    )
  }
  return await scope(async () => {
    if (control === 'ridge')
      return ridgeOfNorm(inFloat64(a), inFloat64(options.v), frobeniusNorm(inFloat64(options.vStar)))
    return { weight: await weightOf(control), lambda: null }
  })

  async function weightOf(control: Exclude<Control, 'ridge'>): Promise<Tensor> {
    const [v, vStar] = [inFloat64(options.v), inFloat64(options.vStar)]
    switch (control) {
      case 'shrink':
        return v.mul(frobeniusNorm(vStar) / frobeniusNorm(v))
      case 'pca': {
        const policy = { policy: 'fixed', rank } as const
        return projectOnRowSpace(await rowSpace(pool, { decomposition: 'gram', rank: policy }), v)
      }
      case 'random': {
        const shape = [v.shape[0]!, rank]
        const drawn = torch.randn(shape, { generator: new torch.Generator(seed), dtype: 'float64' })
        const [basis] = await torch.async.linalg_qr(drawn)
        return basis.matmul(basis.t().matmul(v))
      }
    }
  }
}

/** Norms that differ by a smaller share count as equal: rounding alone must not damp. */
const sameNorm = 1e-9

/** Finds λ by bisection of its logarithm: the norm falls while λ grows. */
async function ridgeOfNorm(a: Tensor, v: Tensor, target: number): Promise<ControlWeights> {
  const { basis, singularValues, rank } = await rowSpace(a)
  const coordinates = basis.t().matmul(v)
  const energies = torch.tensor(singularValues.slice(0, rank), { dtype: 'float64' }).square().unsqueeze(1)
  const damped = (lambda: number) => coordinates.mul(energies.div(energies.add(lambda)))
  const first = (singularValues[0] ?? 0) ** 2
  let [low, high] = [Math.log(Number.MIN_VALUE), Math.log(first) + 50]
  if (frobeniusNorm(coordinates) <= target * (1 + sameNorm)) {
    return { weight: basis.matmul(coordinates), lambda: 0 }
  }
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2
    if (frobeniusNorm(damped(Math.exp(middle))) > target) low = middle
    else high = middle
  }
  const lambda = Math.exp(high)
  return { weight: basis.matmul(damped(lambda)), lambda }
}
