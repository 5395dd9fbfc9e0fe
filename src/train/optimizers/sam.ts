import { expectObject, nonNegative } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { gradientNorm } from './clip-gradients.js'
import type { OptimizerRecipe, Target } from './optimizer.js'

/** Options of {@link sam}. */
export interface SamOptions {
  /** The radius ρ. Default: 0.05, the value of Foret et al. (2021) for CIFAR-10; their value for CIFAR-100 is 0.1. */
  rho?: number
}

/** Options of {@link asam}. */
export interface AsamOptions {
  /** The radius ρ. Default: 0.5, the value of Kwon et al. (2021) for CIFAR-10; their value for CIFAR-100 is 1. */
  rho?: number
  /** η, which is added to |w|. Default: 0.01, their value. */
  eta?: number
}

/** Computes the ascent ε from the gradients, one tensor for each. */
type Ascent = (parameters: Tensor[], gradients: Tensor[], names: readonly string[]) => Tensor[]

/**
 * Sharpness-aware minimisation (Foret et al. 2021) around any optimizer. The gradient for a step is computed at w + ε with
 * ε = ρ·g / (‖g‖ + 1e-12), where g is the gradient at w over all parameters together. The optimizer makes its step at w, with its weight
 * decay. Buffers, such as the statistics of BatchNorm, are those after the first pass. A step costs two passes.
 *
 * @param base the optimizer
 * @param options see {@link SamOptions}
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if a number is out of range
 * @example
 * const optimizer = sam(sgd({ learningRate: 0.1, momentum: 0.9 }), { rho: 0.1 })
 * console.log(optimizer.description.name, optimizer.learningRate) // → sam 0.1
 */
export function sam(base: OptimizerRecipe, options: SamOptions = {}): OptimizerRecipe {
  expectObject('base', base)
  expectObject('options', options)
  const { rho = 0.05 } = options
  nonNegative('rho', rho)
  return sharpnessAware(base, { name: 'sam', rho }, (_, gradients) =>
    torch._foreach_mul(gradients, gradientNorm(gradients).add(1e-12).reciprocal().mul(rho)),
  )
}

/**
 * Adaptive SAM (Kwon et al. 2021): {@link sam} with ε = ρ·T²g / ‖Tg‖, where T = |w| + η for parameters named `weight` and T = 1 for all others.
 * So the radius does not depend on the scale of the weights.
 *
 * @param base the optimizer
 * @param options see {@link AsamOptions}
 * @returns the recipe, for the trainer's option `optimizer`
 * @throws `ERR_INVALID_ARGUMENT` if a number is out of range
 * @example
 * const optimizer = asam(sgd({ learningRate: 0.1 }), { rho: 1 })
 * console.log(optimizer.description.name, optimizer.description.rho) // → asam 1
 */
export function asam(base: OptimizerRecipe, options: AsamOptions = {}): OptimizerRecipe {
  expectObject('base', base)
  expectObject('options', options)
  const { rho = 0.5, eta = 0.01 } = options
  nonNegative('rho', rho)
  nonNegative('eta', eta)
  return sharpnessAware(base, { name: 'asam', rho, eta }, (parameters, gradients, names) => {
    const scales = parameters.map((parameter, i) =>
      /(^|\.)weight$/.test(names[i]!) ? parameter.detach().abs().add_(eta) : torch.ones_like(parameter),
    )
    const scaled = torch._foreach_mul(gradients, scales)
    const factor = gradientNorm(scaled).add(1e-16).reciprocal().mul(rho)
    return torch._foreach_mul(torch._foreach_mul(scaled, scales), factor)
  })
}

function sharpnessAware(
  base: OptimizerRecipe,
  how: Readonly<Record<string, unknown>>,
  ascent: Ascent,
): OptimizerRecipe {
  return {
    learningRate: base.learningRate,
    description: { ...how, base: base.description },
    create(target) {
      const optimizer = base.create(target)
      const names = [...target.parameters.keys()]
      const tensors = [...target.parameters.values()]
      return {
        ...optimizer,
        async step(closure, learningRate) {
          const { loss, gradients } = await closure()
          const moved = gradients.flatMap((gradient, i) => (gradient === null ? [] : [i]))
          const parameters = moved.map((i) => tensors[i]!)
          const saved = torch.noGrad(() =>
            scope(() => {
              const copies = parameters.map((parameter) => keepTensor(parameter.clone()))
              const present = moved.map((i) => gradients[i]!)
              torch._foreach_add_(
                parameters,
                ascent(
                  parameters,
                  present,
                  moved.map((i) => names[i]!),
                ),
              )
              return copies
            }),
          )
          // The base optimizer's gradients are computed at w + ε; its step is made at w.
          await optimizer.step(async () => {
            try {
              return await withBuffersKept(target, closure)
            } finally {
              torch.noGrad(() => torch._foreach_copy_(parameters, saved))
              for (const tensor of saved) tensor.dispose()
            }
          }, learningRate)
          return loss
        },
      }
    },
  }
}

/** Runs `body`, and gives the buffers their values back afterwards. */
async function withBuffersKept<T>({ buffers }: Target, body: () => Promise<T>): Promise<T> {
  const tensors = [...buffers.values()]
  const saved = torch.noGrad(() => scope(() => tensors.map((tensor) => keepTensor(tensor.clone()))))
  try {
    return await body()
  } finally {
    torch.noGrad(() => {
      for (const [i, tensor] of tensors.entries()) tensor.copy_(saved[i]!)
    })
    for (const tensor of saved) tensor.dispose()
  }
}
