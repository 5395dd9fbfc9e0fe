import { positive } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import type { OptimizerRecipe } from './optimizer.js'

/**
 * Clips the gradients before the optimizer sees them, as `torch.nn.utils.clip_grad_norm_` does: if the 2-norm of the gradients of all
 * parameters together is above `maxNorm`, they are multiplied by maxNorm / (‖g‖ + 1e-6). Inside of SAM, as in
 * `sam(clipGradients(sgd(…), 1))`, it clips the gradient of the step; around SAM it would clip both of SAM's gradients.
 *
 * @param base the optimizer
 * @param maxNorm the largest norm
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if `maxNorm` is not above 0
 * @example
 * const optimizer = clipGradients(sgd({ learningRate: 0.1 }), 1)
 * console.log(optimizer.description.maxNorm) // → 1
 */
export function clipGradients(base: OptimizerRecipe, maxNorm: number): OptimizerRecipe {
  positive('maxNorm', maxNorm)
  return {
    learningRate: base.learningRate,
    description: { ...base.description, maxNorm },
    create(target) {
      const optimizer = base.create(target)
      return {
        ...optimizer,
        step: (closure, learningRate) =>
          optimizer.step(async () => {
            const computed = await closure()
            torch.noGrad(() =>
              scope(() => {
                const gradients = computed.gradients.filter((gradient) => gradient !== null)
                const scale = gradientNorm(gradients).add(1e-6).reciprocal().mul(maxNorm).clamp_max(1)
                torch._foreach_mul_(gradients, scale)
              }),
            )
            return computed
          }, learningRate),
      }
    },
  }
}

/** The 2-norm of all gradients together, a scalar on their device. */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  return torch.stack(torch._foreach_norm([...gradients], 2)).norm()
}
