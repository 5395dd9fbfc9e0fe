import { whole, wholeSeed } from '../torch/check-number.js'
import { Generator } from '../torch/generator.js'
import { hold } from '../torch/hold.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import { project, rowSpace } from './solve/row-space.js'

/**
 * What a shift must be better than before its effect can be called its own:
 *
 * - `shrink`: V scaled to the norm of V*.
 * - `pca`: V projected on as many principal directions, about the origin, of a larger set of inputs.
 * - `random`: V projected on a random subspace of equal dimension.
 * - `ridge`: (AᵀA + λI)⁻¹AᵀA V on the same batch, with λ such that its norm is that of V*.
 */
export type Control = 'shrink' | 'pca' | 'random' | 'ridge'

export const controls: readonly Control[] = ['shrink', 'pca', 'random', 'ridge']

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

/**
 * The weights, float64 [m, n], that a control puts in the place of V. The bias stays.
 */
export async function controlWeights(control: Control, options: ControlOptions): Promise<Tensor> {
  const { a, rank, pool = a, seed = 0 } = options
  whole(0, options.v.shape[0])('rank', rank)
  wholeSeed('seed', seed)
  using _held = hold('controlWeights()', [a, pool, options.v, options.vStar])
  return await scope(async () => {
    const [v, vStar] = [exact(options.v), exact(options.vStar)]
    switch (control) {
      case 'shrink':
        return v.mul(norm(vStar) / norm(v))
      case 'pca': {
        const policy = { policy: 'fixed', rank } as const
        return project(await rowSpace(pool, { decomposition: 'gram', rank: policy }), v)
      }
      case 'random': {
        const shape = [v.shape[0]!, rank]
        const drawn = torch.randn(shape, { generator: new Generator(seed), dtype: 'float64' })
        const [basis] = await torch.async.linalg_qr(drawn)
        return basis.matmul(basis.t().matmul(v))
      }
      case 'ridge':
        return ridgeOfNorm(exact(a), v, norm(vStar))
    }
  })
}

/** By bisection of log λ: the norm falls while λ grows. */
async function ridgeOfNorm(a: Tensor, v: Tensor, target: number): Promise<Tensor> {
  const { basis, singularValues, rank } = await rowSpace(a)
  const coordinates = basis.t().matmul(v)
  const energies = torch.tensor(singularValues.slice(0, rank), { dtype: 'float64' }).square().unsqueeze(1)
  const damped = (lambda: number) => coordinates.mul(energies.div(energies.add(lambda)))
  const first = (singularValues[0] ?? 0) ** 2
  let [low, high] = [Math.log(Number.MIN_VALUE), Math.log(first) + 50]
  // Without damping it is the projection itself: where that is no longer than V*, nothing is to be done.
  if (first === 0 || norm(coordinates) <= target) return basis.matmul(coordinates)
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2
    if (norm(damped(Math.exp(middle))) > target) low = middle
    else high = middle
  }
  return basis.matmul(damped(Math.exp(high)))
}

const exact = (tensor: Tensor): Tensor => tensor.detach().to({ device: 'cpu', dtype: 'float64' })
const norm = (tensor: Tensor): number => tensor.square().sum().sqrt().item()
