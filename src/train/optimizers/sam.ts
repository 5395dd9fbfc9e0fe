import { expectObject, nonNegative } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { gradientNorm } from './clip-gradients.js'
import type { OptimizerRecipe, Target } from './optimizer.js'

export interface SamOptions {
  /** ρ, the radius. Default: 0.05, SAM's for CIFAR-10 (Foret et al. 2021); theirs for CIFAR-100 is 0.1. */
  rho?: number
}

export interface AsamOptions {
  /** ρ, the radius. Default: 0.5, ASAM's for CIFAR-10 (Kwon et al. 2021); theirs for CIFAR-100 is 1. */
  rho?: number
  /** η, added to |w|. Default: 0.01, as theirs. */
  eta?: number
}

/** Makes the ascent ε from the gradients, one tensor for each. */
type Ascent = (parameters: Tensor[], gradients: Tensor[], names: readonly string[]) => Tensor[]

/**
 * Sharpness-aware minimisation (Foret et al. 2021) around any optimizer: the gradient of its step is taken at w + ε with
 * ε = ρ·g / (‖g‖ + 1e-12), over all parameters together, and the step is done at w, weight decay included. Buffers, such as
 * BatchNorm's statistics, are those after the first pass. A step costs two passes.
 *
 * @throws `ERR_INVALID_ARGUMENT` for numbers out of range
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
 * Adaptive SAM (Kwon et al. 2021): as {@link sam} with ε = ρ·T²g / ‖Tg‖, T = |w| + η for parameters named `weight` and 1 for
 * others, so that the radius does not depend on the scale of the weights.
 *
 * @throws `ERR_INVALID_ARGUMENT` for numbers out of range
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
          // The closure of the base optimizer's step is computed up there; its step is done down here.
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

/** Runs `body`, after which the buffers are what they were before. */
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
