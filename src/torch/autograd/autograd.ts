import { expectFunction, expectList, expectObject, SosError } from '../../base/index.js'
import { currentContext, enableGrad } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { sdpaKernel } from '../context/sdpa-kernel.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { aten } from '../operators/ops.js'
import { hold } from '../tensor/hold.js'
import { expectTensor, handlesOf, Tensor } from '../tensor/tensor.js'

/** Options of {@link grad}, as those of Python's `torch.autograd.grad`. */
export interface GradOptions {
  /**
   * The vectors of the vector-Jacobian product, one for each output, of its shape. Default: 1 for outputs of one element; others
   * need one.
   */
  gradOutputs?: readonly Tensor[]
  /** Makes the gradients differentiable themselves. Default: false. */
  createGraph?: boolean
  /** Keeps the graph for another call. Default: as createGraph. */
  retainGraph?: boolean
  /** Gives null for an input that the outputs don't depend on, where it is an error otherwise. Default: false. */
  allowUnused?: boolean
}

/** Options of {@link backward}, as those of Python's `torch.autograd.backward`. */
export interface BackwardOptions {
  /** As in {@link GradOptions}. */
  gradOutputs?: readonly Tensor[]
  /** As in {@link GradOptions}. Default: false. */
  createGraph?: boolean
  /** As in {@link GradOptions}. Default: as createGraph. */
  retainGraph?: boolean
  /** The tensors whose `grad` is added to. Default: all leaves that the outputs depend on. */
  inputs?: readonly Tensor[]
}

/**
 * The gradients of `outputs` with respect to `inputs`, one tensor for each, of its shape, dtype and device, off the event loop; nothing
 * is accumulated in the inputs. As Python's `torch.autograd.grad`. The graph of the outputs is used up, save with `retainGraph`.
 *
 * @throws `ERR_TORCH` where an output does not require gradients, an input is unused (save with `allowUnused`), or the graph is used up
 */
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
  const gradients = await differentiate(outputs, inputs, options, false)
  return gradients.map((handle) => (handle === null ? null : new Tensor(handle)))
}

/**
 * Adds the gradients of `outputs` to the `grad` of the leaves that they depend on, off the event loop. As Python's
 * `torch.autograd.backward`.
 *
 * @throws `ERR_TORCH` as {@link grad}
 */
export async function backward(outputs: readonly Tensor[], options: BackwardOptions = {}): Promise<void> {
  expectObject('options', options)
  const { inputs = [], ...rest } = options
  await differentiate(outputs, inputs, rest, true)
}

function differentiate(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions,
  accumulate: boolean,
): Promise<(TensorHandle | null)[]> {
  expectObject('options', options)
  const { gradOutputs = [], createGraph = false, retainGraph = createGraph, allowUnused = false } = options
  const { modes, detectAnomaly } = currentContext()
  const work = onLane(() =>
    binding.grad(
      modes,
      handlesOf('outputs', outputs),
      handlesOf('inputs', inputs),
      handlesOf('gradOutputs', gradOutputs),
      retainGraph,
      createGraph,
      allowUnused,
      detectAnomaly,
      accumulate,
    ),
  )
  return work.catch((error: Error) => {
    throw /derivative for aten::\w*attention\w*_backward\w* is not implemented/.test(error.message)
      ? noSecondDerivative(error)
      : error
  })
}

function noSecondDerivative(cause: Error): SosError {
  return new SosError(
    'ERR_SECOND_DERIVATIVE',
    `expected a forward whose gradients have gradients, but its attention ran in a fused kernel, which has first ones alone: compute it within sdpaKernel('math', …) (${cause.message})`,
    { cause },
  )
}

/**
 * The outputs of `fn` and the product of `vector`, one tensor for each output, with its Jacobian: `vᵀJ`, one tensor for each
 * input. Where there is one output with one element, `vector` may be left out. As `torch.autograd.functional.vjp`.
 *
 * Where nothing depends on an input, or an output on anything, there are zeros.
 *
 * @param fn of tensors, sync or async; it is given `inputs` detached, sharing their memory, to require gradients
 */
export async function vjp(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
  vector: readonly Tensor[] = [],
): Promise<{ outputs: Tensor[]; product: Tensor[] }> {
  handlesOf('vector', vector)
  using _held = hold('vjp()', vector)
  const { leaves, outputs } = await evaluate(fn, inputs)
  if (vector.length > 0 || outputs.length > 1) expectOneForEach(vector, outputs, 'output')
  // Outputs that depend on nothing have rows of zeros.
  const live = outputs.flatMap((output, i) => (output.requiresGrad ? [i] : []))
  const product = await gradOfAny(
    live.map((i) => outputs[i]!),
    leaves,
    { gradOutputs: vector.length > 0 ? live.map((i) => vector[i]!) : [] },
  )
  return {
    outputs: outputs.map((output) => output.detach()),
    product: product.map((tensor, i) => tensor ?? aten.zeros_like(inputs[i]!)),
  }
}

/**
 * The outputs of `fn` and the product of its Jacobian with `vector`, one tensor for each input: `Jv`, one tensor for each
 * output. It differentiates `uᵀJ`, which is linear in u, with respect to u. As `torch.autograd.functional.jvp`.
 *
 * @param fn as in {@link vjp}
 * @throws `ERR_SHAPE` where `vector` has not one tensor for each input
 */
export async function jvp(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
  vector: readonly Tensor[],
): Promise<{ outputs: Tensor[]; product: Tensor[] }> {
  expectOneForEach(vector, inputs, 'input')
  for (const [i, tensor] of vector.entries()) expectShape(tensor, inputs[i]!)
  using _held = hold('jvp()', vector)
  const { leaves, outputs } = await sdpaKernel('math', () => evaluate(fn, inputs)) // it is differentiated twice
  const live = outputs.flatMap((output, i) => (output.requiresGrad ? [i] : []))
  const covectors = outputs.map((output) => aten.zeros_like(output).requires_grad_())
  const pullback = await gradOfAny(
    live.map((i) => outputs[i]!),
    leaves,
    { gradOutputs: live.map((i) => covectors[i]!), createGraph: true },
  )
  const linear = pullback.flatMap((tensor, i) => (tensor?.requiresGrad ? [i] : []))
  const product = await gradOfAny(
    linear.map((i) => pullback[i]!),
    covectors,
    { gradOutputs: linear.map((i) => vector[i]!) },
  )
  return {
    outputs: outputs.map((output) => output.detach()),
    product: product.map((tensor, i) => tensor ?? aten.zeros_like(outputs[i]!)),
  }
}

async function evaluate(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
): Promise<{ leaves: Tensor[]; outputs: readonly Tensor[] }> {
  expectFunction('fn', fn)
  handlesOf('inputs', inputs)
  const leaves = inputs.map((input) => input.detach().requires_grad_())
  const outputs = await enableGrad(() => fn(...leaves))
  const told = outputs instanceof Tensor ? [outputs] : outputs
  handlesOf('the outputs of fn', told)
  return { leaves, outputs: told }
}

/** As {@link grad} with `allowUnused`, also of no outputs. */
async function gradOfAny(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions,
): Promise<(Tensor | null)[]> {
  if (outputs.length === 0) return inputs.map(() => null)
  return grad(outputs, inputs, { ...options, allowUnused: true })
}

function expectOneForEach(vector: readonly Tensor[], tensors: readonly Tensor[], what: string): void {
  handlesOf('vector', vector)
  handlesOf(`${what}s`, tensors)
  if (vector.length === tensors.length) return
  throw new SosError(
    'ERR_SHAPE',
    `expected a vector of ${tensors.length} tensors, one for each ${what}, but received ${vector.length}`,
  )
}

function expectShape(tensor: Tensor, like: Tensor): void {
  if (String(tensor.shape) === String(like.shape)) return
  throw new SosError(
    'ERR_SHAPE',
    `expected a vector of shape [${like.shape}], that of its input, but received [${tensor.shape}]`,
  )
}

/**
 * The product of the Hessian of `loss` with `vector`, one tensor for each of `inputs`: the gradient of (∇loss · vector).
 * Inputs that the gradient does not depend on get zeros. The graph of `loss` is used up.
 *
 * @param loss a scalar that was computed with gradients recorded
 * @param vector tensors of the shapes of `inputs`
 * @throws `ERR_SHAPE` where `vector` has not one tensor for each input, `ERR_SECOND_DERIVATIVE` where attention ran in a fused
 *   kernel (`sdpaKernel('math', …)`), `ERR_TORCH` as {@link grad}
 */
export async function hvp(
  loss: Tensor,
  inputs: readonly Tensor[],
  vector: readonly Tensor[],
): Promise<Tensor[]> {
  expectTensor('loss', loss)
  expectOneForEach(vector, inputs, 'input')
  using _held = hold('hvp()', vector)
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
  expectList('gradients', gradients)
  handlesOf('inputs', inputs)
  handlesOf('vector', vector)
  for (const [i, gradient] of gradients.entries())
    if (gradient !== null) expectTensor(`gradients[${i}]`, gradient)
  // A gradient that does not depend on any input (of a linear function) has no graph: its Hessian rows are zero.
  const curved = gradients.flatMap((gradient, i) => (gradient?.requiresGrad ? [i] : []))
  const products = await gradOfAny(
    curved.map((i) => gradients[i]!),
    inputs,
    { gradOutputs: curved.map((i) => vector[i]!), retainGraph },
  )
  return products.map((product, i) => product ?? aten.zeros_like(inputs[i]!))
}
