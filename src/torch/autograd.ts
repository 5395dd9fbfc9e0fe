import { binding } from './binding.js'
import { currentContext } from './context.js'
import { SosError } from './errors.js'
import { onLane } from './lane.js'
import { torch } from './ops.js'
import { handleOf, Tensor } from './tensor.js'

export interface GradOptions {
  /** The vectors of the vector-Jacobian product, one for each output; needless for scalar outputs, whose is 1. */
  gradOutputs?: readonly Tensor[]
  /** Makes the gradients differentiable themselves. Default: false. */
  createGraph?: boolean
  /** Keeps the graph for another call. Default: as createGraph. */
  retainGraph?: boolean
  /** Gives null for an input that the outputs don't depend on, where it is an error otherwise. Default: false. */
  allowUnused?: boolean
}

/** The gradients of `outputs` with respect to `inputs`, off the event loop; nothing is accumulated in the inputs. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): Promise<(Tensor | null)[]>
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradOptions,
): Promise<Tensor[]>
export async function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): Promise<(Tensor | null)[]> {
  const { gradOutputs = [], createGraph = false, retainGraph = createGraph, allowUnused = false } = options
  const gradients = await onLane(() =>
    binding.grad(
      currentContext().modes,
      outputs.map(handleOf),
      inputs.map(handleOf),
      gradOutputs.map(handleOf),
      retainGraph,
      createGraph,
      allowUnused,
    ),
  )
  return gradients.map((handle) => (handle === null ? null : new Tensor(handle)))
}

/**
 * The product of the Hessian of `loss` with `vector`, one tensor for each of `inputs`: the gradient of (∇loss · vector).
 * Inputs that the gradient does not depend on get zeros. The graph of `loss` is used up.
 *
 * @param loss a scalar that was computed with gradients recorded
 * @param vector tensors of the shapes of `inputs`
 */
export async function hvp(
  loss: Tensor,
  inputs: readonly Tensor[],
  vector: readonly Tensor[],
): Promise<Tensor[]> {
  if (vector.length !== inputs.length) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a vector of ${inputs.length} tensors, one for each input, but received ${vector.length}`,
    )
  }
  const gradients = await grad([loss], inputs, { createGraph: true, allowUnused: true })
  const products = await hvpOfGradients(gradients, inputs, vector, false)
  for (const gradient of gradients) gradient?.dispose()
  return products
}

/**
 * As {@link hvp}, from gradients that were made with `createGraph`: with `retainGraph` the first-order graph is kept, and
 * each further product on the same batch costs one backward only.
 */
export async function hvpOfGradients(
  gradients: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  vector: readonly Tensor[],
  retainGraph: boolean,
): Promise<Tensor[]> {
  // A gradient that does not depend on any input (of a linear function) has no graph: its Hessian rows are zero.
  const curved = gradients.flatMap((gradient, i) => (gradient?.requiresGrad ? [i] : []))
  if (curved.length === 0) return inputs.map((input) => torch.zeros_like(input))
  const products = await grad(
    curved.map((i) => gradients[i]!),
    inputs,
    { gradOutputs: curved.map((i) => vector[i]!), retainGraph, allowUnused: true },
  )
  return products.map((product, i) => product ?? torch.zeros_like(inputs[i]!))
}
