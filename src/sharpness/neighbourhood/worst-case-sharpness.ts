import { checkNumbers, count, expectObject, meanWithError, positive } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { type NeighbourhoodOptions, type NeighbourhoodSharpness, PerturbedModel } from './perturbed-model.js'

/** How the ascent of {@link worstCaseSharpness} runs. */
export interface WorstCaseOptions extends NeighbourhoodOptions {
  /** How many steps of ascent; 1 is the step of SAM, with `adaptive` that of ASAM. Default: 10. */
  steps?: number
  /** The length of a step, in units of ρ. Default: 2.5/steps, at most 1. */
  stepSize?: number
}

/** The largest rise of the loss that was found in a ball around the weights. */
export interface WorstCaseSharpness extends NeighbourhoodSharpness {
  /** The rise of the mean loss after each step. The largest of these and 0 is `sharpness`. */
  readonly perStep: readonly number[]
  /** The length of the gradient at the weights; of Tg with `adaptive`. For a small radius the sharpness is ρ times this. */
  readonly gradientNorm: number
}

/**
 * Searches for the largest rise of the mean loss in a ball around the weights, max L(w + δ) − L(w) over ‖δ‖ ≤ ρ (Keskar et al. 2017; Foret et
 * al. 2021), by projected gradient ascent:
 *
 *     ε ← P(ε + α·ρ·∇L/‖∇L‖),    δ = ε, or δ = Tε with `adaptive` (Kwon et al. 2021),
 *
 * where P shortens ε to the length ρ. The maximum itself cannot be computed, so the largest rise of all steps is a lower bound of it. More
 * steps usually find a larger rise, but need not. The ascent works on a copy of the model without its hooks, in eval
 * mode.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset that the samples are drawn from
 * @param options the ball, the steps, and how to run. It takes steps + 1 passes over the samples
 * @returns the rise, of each image too. `standardError` is that of the mean over these images at the δ that was found; it does not know that δ
 *   was chosen on the same images
 * @throws `ERR_INVALID_ARGUMENT`; `ERR_BATCH_SIZE`; `ERR_FROZEN`; `ERR_NO_GRADIENT`; `ERR_NO_SUCH_PARAMETER`; `ERR_PROBABILITIES`;
 *   `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE` if logits are NaN or infinite; `ERR_LABELS`; `ERR_DATASET` if every image was skipped
 * @example
 * const { sharpness, perStep } = await worstCaseSharpness(model, train, { rho: 0.05, steps: 1, samples: 8 })
 * console.log(sharpness === perStep[0], sharpness > 0) // → true true
 */
export async function worstCaseSharpness(
  model: ScriptModule,
  dataset: Dataset,
  options: WorstCaseOptions = {},
): Promise<WorstCaseSharpness> {
  expectObject('options', options)
  checkNumbers(options, { steps: count, stepSize: positive })
  const { steps = 10 } = options
  const { stepSize = Math.min(1, 2.5 / steps) } = options
  using perturbed = await PerturbedModel.of(model, dataset, options, steps + 1)
  const { rho } = perturbed
  return await scope(async () => {
    const first = await perturbed.gradient()
    const gradientNorm = lengthOf(first.gradient)
    let best = first.losses.map(() => 0)
    let direction = first.gradient.map((tensor) => torch.zeros_like(tensor))
    let { gradient } = first
    const perStep: number[] = []
    for (let step = 0; step < steps; step++) {
      direction = scope(() => ascended(direction, gradient, stepSize * rho, rho))
      perturbed.moveTo(direction)
      const found: { losses: number[]; gradient?: Tensor[] } =
        step + 1 === steps ? { losses: await perturbed.losses() } : await perturbed.gradient()
      gradient = found.gradient ?? gradient
      const rises = found.losses.map((loss, i) => loss - first.losses[i]!)
      perStep.push(meanOf(rises))
      if (meanOf(rises) > meanOf(best)) best = rises
    }
    const { mean, standardError } = meanWithError(best)
    const { adaptive, samples, size, loaded } = perturbed
    return {
      ...{ sharpness: mean, standardError, loss: meanOf(first.losses), perImage: best, indices: loaded },
      ...{ samples, rho, adaptive, size, perStep, gradientNorm },
    }
  })
}

/** ε + α·g/‖g‖, shortened to the length ρ if it is longer. It stays where it is if the gradient is 0. */
function ascended(
  direction: readonly Tensor[],
  gradient: readonly Tensor[],
  step: number,
  rho: number,
): Tensor[] {
  const length = lengthOf(gradient)
  if (length === 0) return direction.map((tensor) => tensor.clone())
  const moved = torch._foreach_add(direction, gradient, { alpha: step / length })
  const reached = lengthOf(moved)
  return reached > rho ? torch._foreach_mul(moved, rho / reached) : moved
}

/** The length of a vector that consists of tensors, in float64. */
function lengthOf(tensors: readonly Tensor[]): number {
  return scope(() =>
    torch
      .stack(torch._foreach_norm(tensors, 2, 'float64'))
      .square()
      .sum()
      .sqrt()
      .item(),
  )
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
