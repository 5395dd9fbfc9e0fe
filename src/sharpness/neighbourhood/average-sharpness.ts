import { checkNumbers, expectObject, meanWithError, refuseArgument } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'
import { probeCount } from '../traces/hutchinson-trace.js'
import { type NeighbourhoodOptions, type NeighbourhoodSharpness, PerturbedModel } from './perturbed-model.js'

/** Which directions {@link averageSharpness} draws. */
export interface AverageOptions extends NeighbourhoodOptions {
  /** The number of random directions, at least 2. Each is taken forwards and backwards. Default: 16. */
  probes?: number
  /**
   * `sphere` draws ε uniformly among the vectors of the length ρ; `gaussian` draws independent normal entries whose squares add up to ρ² on
   * average. Default: `sphere`.
   */
  distribution?: 'sphere' | 'gaussian'
}

/** The mean rise of the loss in random directions from the weights. */
export interface AverageSharpness extends NeighbourhoodSharpness {
  /** The standard error of the sharpness over the directions: the standard deviation of their rises / √probes. */
  readonly probeStandardError: number
  /** The rise of the mean loss in each direction: the mean of the two at ε and −ε. */
  readonly perProbe: readonly number[]
  /** The number of directions. */
  readonly probes: number
}

/**
 * Estimates the mean rise of the loss around the weights, E[L(w + δ)] − L(w) for random δ of the length ρ. Each direction is taken forwards and
 * backwards, so that the gradient cancels. For a small radius it is ρ² tr(H)/(2n) for n weights; with `adaptive`, δ = Tε, it is
 * ρ² tr(THT)/(2n). The measurement works on a copy of the model without its hooks, in eval mode.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset that the samples are drawn from
 * @param options the radius, the directions, and how to run. It takes 2·probes + 1 passes over the samples, without gradients. The same seed
 *   gives the same samples and directions, so that two models of one kind can be compared on them
 * @returns the mean rise, with the error over the images and the error over the directions
 * @throws as `worstCaseSharpness`
 * @example
 * const { sharpness, probeStandardError } = await averageSharpness(model, train, { rho: 0.5, probes: 2, samples: 8 })
 * console.log(Number.isFinite(sharpness), probeStandardError >= 0) // → true true
 */
export async function averageSharpness(
  model: ScriptModule,
  dataset: Dataset,
  options: AverageOptions = {},
): Promise<AverageSharpness> {
  expectObject('options', options)
  checkNumbers(options, { probes: probeCount })
  const { probes = 16, distribution = 'sphere', seed = 0 } = options
  if (distribution !== 'sphere' && distribution !== 'gaussian')
    refuseArgument('sphere or gaussian', 'distribution', distribution)
  using perturbed = await PerturbedModel.of(model, dataset, options, 2 * probes + 1)
  const generator = new torch.Generator(seed)
  const before = await perturbed.losses()
  const perImage = before.map(() => 0)
  const perProbe: number[] = []
  for (let probe = 0; probe < probes; probe++) {
    const rises = await scope(async () => {
      const direction = perturbed.split(randomDirection(perturbed, distribution, generator))
      perturbed.moveTo(direction)
      const forwards = await perturbed.losses()
      perturbed.moveTo(direction.map((tensor) => tensor.neg()))
      const backwards = await perturbed.losses()
      return before.map((loss, i) => (forwards[i]! - loss + (backwards[i]! - loss)) / 2)
    })
    perProbe.push(meanWithError(rises).mean)
    for (const [i, rise] of rises.entries()) perImage[i]! += rise / probes
  }
  const { mean, standardError } = meanWithError(perImage)
  const { rho, adaptive, samples, size, loaded } = perturbed
  return {
    ...{ sharpness: mean, standardError, probeStandardError: meanWithError(perProbe).standardError },
    ...{ loss: meanWithError(before).mean, perImage, perProbe, probes, indices: loaded },
    ...{ samples, rho, adaptive, size },
  }
}

/** ε as float64 [size]. */
function randomDirection(
  { size, rho }: PerturbedModel,
  distribution: 'sphere' | 'gaussian',
  generator: Generator,
): Tensor {
  const normal = torch.randn([size], { generator, dtype: 'float64' })
  if (distribution === 'gaussian') return normal.mul_(rho / Math.sqrt(size))
  return normal.mul_(rho / normal.square().sum().sqrt().item())
}
