import { expectObject, SosError, shown, whole, wholeSeed } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor, hold } from '../torch/internal.js'
import { frobeniusNorm, inFloat64 } from './solve/linear-map.js'
import { projectOnRowSpace, rowSpace } from './solve/row-space.js'

/**
 * What a shift must be better than before its effect can be called its own:
 *
 * - `shrink`: V scaled to the norm of V*.
 * - `pca`: V projected on as many principal directions, about the origin, of a larger set of inputs.
 * - `random`: V projected on a random subspace of equal dimension.
 * - `ridge`: (AᵀA + λI)⁻¹AᵀA V on the same batch, with λ such that its norm is that of V*. Where V* keeps all directions of the batch, λ is
 *   0, and this is the shift itself: no control then, which {@link ControlWeights} tells.
 */
export type Control = 'shrink' | 'pca' | 'random' | 'ridge'

export const controlNames: readonly Control[] = ['shrink', 'pca', 'random', 'ridge']

export interface ControlOptions {
  /** A, the inputs of the shift's batch, [b, m]. */
  a: Tensor
  /** V, [m, n]. */
  v: Tensor
  /** V*, [m, n]. */
  vStar: Tensor
  /** r, the dimension that the shift kept. */
  rank: number
  /** Inputs of many training samples, [N, m], for `pca`. Default: the batch itself, whose directions are the shift's. */
  pool?: Tensor
  /** Of the random subspace. Default: 0. */
  seed?: number
}

/** What a control puts in the place of V. */
export interface ControlWeights {
  /** float64 [m, n] */
  weight: Tensor
  /** Of `ridge`; 0 where V* is no shorter than the projection without damping: then the control is that, the shift itself. Else null. */
  lambda: number | null
}

/** The weights that a control puts in the place of V. The bias stays. */
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

/** Norms that differ by less are one: rounding alone must not damp. */
const sameNorm = 1e-9

/** By bisection of log λ: the norm falls while λ grows. */
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
