import { expectObject, nonNegative, within } from '../../base/index.js'
import { torch } from '../../torch/index.js'
import { gradientDescent } from './gradient-descent.js'
import type { OptimizerRecipe } from './optimizer.js'

/** Options of {@link adam} and {@link adamW}. */
export interface AdamOptions {
  /** The learning rate η. Default: 1e-3, as in PyTorch and in the paper by Kingma and Ba. */
  learningRate?: number
  /** β₁ and β₂, the decay of the two moments. Default: 0.9 and 0.999, as in PyTorch and in the paper. */
  betas?: readonly [number, number]
  /** ε, added to the denominator. Default: 1e-8, as in PyTorch and in the paper. */
  epsilon?: number
  /** The weight decay λ. Default: 0 for adam, 0.01 for adamW, as in PyTorch. */
  weightDecay?: number
  /** Whether to divide by the largest second moment so far (Reddi et al. 2018). Default: false. */
  amsgrad?: boolean
}

/**
 * Adam (Kingma and Ba 2015), as in `torch.optim.Adam`, by libtorch's fused kernel: g ← g + λw; m ← β₁m + (1 − β₁)g;
 * v ← β₂v + (1 − β₂)g²; w ← w − η·m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
 *
 * @param options see {@link AdamOptions}
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if a number is out of range
 * @example
 * const optimizer = adam({ learningRate: 3e-4 })
 * const trainer = new Trainer(model, { data: train, epochs: 1, batchSize: 64, optimizer })
 * console.log(await trainer.run()) // → done
 */
export function adam(options: AdamOptions = {}): OptimizerRecipe {
  expectObject('options', options)
  return recipe('adam', options, 0)
}

/**
 * AdamW (Loshchilov and Hutter 2019), as in `torch.optim.AdamW`: {@link adam} with a weight decay that shrinks the weights themselves,
 * w ← (1 − ηλ)w, instead of being added to the gradient.
 *
 * @param options see {@link AdamOptions}
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if a number is out of range
 * @example
 * const optimizer = adamW({ learningRate: 3e-4, weightDecay: 0.05 })
 * console.log(optimizer.learningRate) // → 0.0003
 */
export function adamW(options: AdamOptions = {}): OptimizerRecipe {
  expectObject('options', options)
  return recipe('adamW', options, 0.01)
}

function recipe(name: 'adam' | 'adamW', options: AdamOptions, defaultDecay: number): OptimizerRecipe {
  const { learningRate = 1e-3, betas = [0.9, 0.999], epsilon = 1e-8, amsgrad = false } = options
  const { weightDecay = defaultDecay } = options
  const [beta1, beta2] = betas
  nonNegative('learningRate', learningRate)
  nonNegative('epsilon', epsilon)
  nonNegative('weightDecay', weightDecay)
  within(0, 1)('betas[0]', beta1)
  within(0, 1)('betas[1]', beta2)
  const numbers = { beta1, beta2, weight_decay: weightDecay, eps: epsilon, amsgrad, maximize: false }
  const zeros = (parameter: Parameters<typeof torch.zeros_like>[0]) => torch.zeros_like(parameter)
  const fused = name === 'adam' ? torch.async._fused_adam_ : torch.async._fused_adamw_
  return {
    learningRate,
    description: { name, betas, epsilon, weightDecay, amsgrad },
    create: (target) =>
      gradientDescent(target, {
        kept: {
          first: zeros,
          second: zeros,
          ...(amsgrad && { largest: zeros }),
          steps: ({ device }) => torch.zeros([], { dtype: 'float32', device }),
        },
        async update({ parameters, gradients, kept }, lr) {
          torch._foreach_add_(kept.steps!, 1)
          await fused(parameters, gradients, kept.first!, kept.second!, kept.largest ?? [], kept.steps!, {
            ...numbers,
            lr,
          })
        },
      }),
  }
}
