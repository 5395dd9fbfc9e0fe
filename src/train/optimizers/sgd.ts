import { expectObject, finite, nonNegative, SosError } from '../../base/index.js'
import { torch } from '../../torch/index.js'
import { gradientDescent } from './gradient-descent.js'
import type { OptimizerRecipe } from './optimizer.js'

export interface SgdOptions {
  /** η. No default: it depends on the model and the batch. */
  learningRate: number
  /** μ. Default: 0, as in PyTorch. */
  momentum?: number
  /** τ, of the gradient's part in the momentum. Default: 0, as in PyTorch. */
  dampening?: number
  /** Nesterov's momentum; it needs a momentum and no dampening. Default: false, as in PyTorch. */
  nesterov?: boolean
  /** λ, added to the gradient as λw. Default: 0, as in PyTorch. */
  weightDecay?: number
}

/**
 * Stochastic gradient descent as `torch.optim.SGD` has it, by libtorch's fused kernel: g ← g + λw; v ← μv + (1 − τ)g, at the
 * first step v ← g; w ← w − η·(nesterov ? g + μv : v).
 *
 * @throws `ERR_INVALID_ARGUMENT` for numbers out of range
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
      `expected for Nesterov's momentum a momentum above 0 and no dampening but received momentum ${momentum} and dampening ${dampening}`,
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
