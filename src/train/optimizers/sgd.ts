import { expectObject, finite, nonNegative, SosError } from '../../base/index.js'
import { torch } from '../../torch/index.js'
import { gradientDescent } from './gradient-descent.js'
import type { OptimizerRecipe } from './optimizer.js'

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** The learning rate η. It has no default, since it depends on the model and on the batch size. */
  learningRate: number
  /** The momentum μ. Default: 0, as in PyTorch. */
  momentum?: number
  /** The dampening τ of the gradient's part in the momentum. Default: 0, as in PyTorch. */
  dampening?: number
  /** Whether to use Nesterov's momentum, which needs a momentum and no dampening. Default: false, as in PyTorch. */
  nesterov?: boolean
  /** The weight decay λ, which is added to the gradient as λw. Default: 0, as in PyTorch. */
  weightDecay?: number
}

/**
 * Stochastic gradient descent, as in `torch.optim.SGD`, by libtorch's fused kernel: g ← g + λw; v ← μv + (1 − τ)g, but v ← g at the first
 * step; w ← w − η·(nesterov ? g + μv : v).
 *
 * @param options see {@link SgdOptions}
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if a number is out of range
 * @example
 * const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 })
 * console.log(optimizer.learningRate) // → 0.1
 */
export function sgd(options: SgdOptions): OptimizerRecipe {
  expectObject('options', options)
  const { learningRate, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options
  nonNegative('learningRate', learningRate)
  nonNegative('momentum', momentum)
  nonNegative('weightDecay', weightDecay)
  finite('dampening', dampening)
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected a momentum above 0 and no dampening with Nesterov's momentum but received momentum ${momentum} and dampening ${dampening}`,
    )
  }
  const numbers = { momentum, dampening, nesterov, weight_decay: weightDecay, maximize: false }
  return {
    learningRate,
    description: { name: 'sgd', momentum, dampening, nesterov, weightDecay },
    create: (target) =>
      gradientDescent(target, {
        kept: momentum === 0 ? {} : { momentum: (parameter) => torch.zeros_like(parameter) },
        update: ({ parameters, gradients, kept, first }, lr) =>
          torch.async._fused_sgd_(parameters, gradients, kept.momentum ?? [], {
            ...numbers,
            lr,
            is_first_step: first,
          }),
      }),
  }
}
