import { positive } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import type { OptimizerRecipe } from './optimizer.js'

/**
 * Scales the gradients of all parameters together where their 2-norm is above `maxNorm`, before the optimizer sees them: by
 * maxNorm / (‖g‖ + 1e-6), as `torch.nn.utils.clip_grad_norm_` does. Around SAM it would clip both of its gradients; in SAM,
 * `sam(clipGradients(sgd(…), 1))`, the one of the step.
 *
 * @throws `ERR_INVALID_ARGUMENT` where `maxNorm` is not above 0
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
