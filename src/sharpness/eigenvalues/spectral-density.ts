import {
  checkNumbers,
  count,
  expectList,
  expectObject,
  finite,
  positive,
  refuseArgument,
  whole,
  wholeSeed,
} from '../../base/index.js'
import type { Progress } from '../../data/index.js'
import { scope, torch } from '../../torch/index.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import { roomForRows } from './basis-memory.js'
import { complementOf, deflated } from './deflated.js'
import type { Eigenvalue } from './eigenvalue-search.js'
import { KrylovBasis } from './krylov-basis.js'
import { Lanczos } from './lanczos.js'
import { topEigenvalues } from './top-eigenvalues.js'

/** How a density is computed. */
export interface DensityOptions {
  /** How many random vectors. Default: 16. */
  probes?: number
  /** How many products for each of them. Default: 80, at most the operator's size. */
  steps?: number
  /**
   * How many eigenvalues of the largest magnitude are computed by themselves and left out of the quadrature, which would give their
   * share of the spectrum with a large error. Default: 0.
   */
  outliers?: number
  /** The seed of the random vectors. Default: 0. */
  seed?: number
  /** Is called after each product. `total` is lower once the outliers are known, since they may take fewer products than they were allowed. */
  onProgress?: (progress: Progress) => void
  /** Ends the computation after the product at work, with the signal's reason. */
  signal?: AbortSignal
}

/** The distribution of the eigenvalues of an operator. */
export interface SpectralDensity {
  /** Where the spectrum has mass, ascending, without the outliers. */
  readonly nodes: readonly number[]
  /** The share of the eigenvalues at each node. With those of the outliers, 1/size each, the shares add up to 1. */
  readonly weights: readonly number[]
  /** The eigenvalues that were computed by themselves. */
  readonly outliers: readonly Eigenvalue[]
  /** The operator is size × size. */
  readonly size: number
  /** How many products with a vector were made in all. */
  readonly products: number
}

/**
 * Estimates the distribution of the eigenvalues of a symmetric operator, by stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017):
 * for a random vector v, the eigenvalues θ of Lanczos's small matrix, weighted with the squares of the first components of its eigenvectors,
 * are a Gauss quadrature of the spectrum as v sees it. The mean over the vectors is the estimate.
 *
 * @param operator for example `hessian(model, dataset, indices)`
 * @param options how many vectors and products, and how many outliers
 * @returns nodes and weights; {@link densityAt} makes a curve of them
 * @throws `ERR_INVALID_ARGUMENT` for invalid options; `ERR_NOT_FINITE` if a product is NaN or infinite; what the operator throws
 * @example
 * const diagonal = torch.tensor([0, 0, 0, 10], { dtype: 'float64' })
 * const operator = { size: 4, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.mul(diagonal)) } as const
 * const { weights, outliers } = await spectralDensity(operator, { probes: 2, outliers: 1 })
 * console.log(outliers[0]!.value.toFixed(3), weights.reduce((a, b) => a + b).toFixed(3)) // → 10.000 0.750
 */
export async function spectralDensity(
  operator: SymmetricOperator,
  options: DensityOptions = {},
): Promise<SpectralDensity> {
  expectObject('operator', operator)
  count('operator.size', operator.size)
  checkNumbers(options, numbers)
  const { size } = operator
  const { probes = 16, outliers = 0, seed = 0, onProgress, signal } = options
  if (outliers >= size) refuseArgument(`fewer than the operator's ${size} eigenvalues`, 'outliers', outliers)
  const steps = Math.min(options.steps ?? 80, size - outliers)
  const heard = (done: number, most: number) => onProgress?.({ done, total: most + probes * steps })
  const found = outliers > 0 ? await outliersOf(operator, outliers, { seed, signal, heard }) : null
  using vectors = found?.vectors ?? torch.empty([0, size], { dtype: operator.dtype })
  const rest = found ? deflated(operator, vectors) : operator
  const generator = new torch.Generator(seed)
  const mass: Mass[] = []
  let products = found?.products ?? 0
  for (let probe = 0; probe < probes; probe++) {
    using first = scope(() => {
      const random = torch.randn([size], { generator, dtype: 'float64' }).to(operator.dtype)
      return complementOf(random, vectors)
    })
    const room = await roomForRows(steps + 1, size, operator.dtype, null)
    using lanczos = new Lanczos(rest, new KrylovBasis(room, null), seed, first)
    while (lanczos.rows < steps && !lanczos.isClosed) {
      signal?.throwIfAborted()
      const product = await lanczos.step()
      product.dispose()
      products++
      heard((found?.products ?? 0) + probe * steps + lanczos.rows, found?.products ?? 0)
    }
    mass.push(...(await quadrature(lanczos, (size - outliers) / size / probes)))
  }
  mass.sort((a, b) => a.node - b.node)
  return {
    nodes: mass.map(({ node }) => node),
    weights: mass.map(({ weight }) => weight),
    outliers: found?.eigenvalues ?? [],
    size,
    products,
  }
}

/**
 * The density as a curve: each eigenvalue's share is spread by a normal distribution of the standard deviation `sigma`.
 *
 * @param density what `spectralDensity` returns
 * @param points where the curve is wanted, in units of the eigenvalues
 * @param sigma the width, in units of the eigenvalues
 * @returns the value of the curve at each point; its integral over the whole line is 1
 * @throws `ERR_INVALID_ARGUMENT` if `sigma` is not positive
 * @example
 * const density = { nodes: [0], weights: [1], outliers: [], size: 1, products: 1 }
 * console.log(densityAt(density, [0], 1)[0]!.toFixed(6)) // → 0.398942
 */
export function densityAt(density: SpectralDensity, points: readonly number[], sigma: number): number[] {
  expectObject('density', density)
  positive('sigma', sigma)
  const { nodes, weights, outliers, size } = density
  for (const [name, list] of Object.entries({ nodes, weights, outliers })) expectList(`density.${name}`, list)
  expectList('points', points)
  for (const point of points) finite('points', point)
  const all = [
    ...nodes.map((node, i) => [node, weights[i]!] as const),
    ...outliers.map(({ value }) => [value, 1 / size] as const),
  ]
  return points.map((point) => {
    let sum = 0
    for (const [node, weight] of all) sum += weight * Math.exp(-0.5 * ((point - node) / sigma) ** 2)
    return sum / (sigma * Math.sqrt(2 * Math.PI))
  })
}

/** The eigenvalues of the largest magnitude, with their vectors. */
function outliersOf(
  operator: SymmetricOperator,
  count: number,
  {
    seed,
    signal,
    heard,
  }: { seed: number; signal: AbortSignal | undefined; heard: (done: number, most: number) => void },
) {
  const onProgress = ({ done, total }: Progress) => heard(done, total)
  return topEigenvalues(operator, { count, end: 'magnitude', vectors: true, seed, signal, onProgress })
}

interface Mass {
  node: number
  weight: number
}

/** The Gauss quadrature of the spectrum as the first vector of the basis sees it. Its weights add up to `share`. */
async function quadrature(lanczos: Lanczos, share: number): Promise<Mass[]> {
  const { values, weights } = await lanczos.ritz()
  using all = weights
  const first = scope(() => all.select(0, 0).toTypedArray() as Float64Array)
  return values.map((node, i) => ({ node, weight: share * first[i]! ** 2 }))
}

const numbers = { probes: count, steps: count, outliers: whole(0), seed: wholeSeed }
