import { expectFunction, expectList, expectObject, SosError } from '../../base/index.js'
import { currentContext, enableGrad } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { sdpaKernel } from '../context/sdpa-kernel.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { aten } from '../operators/ops.js'
import { hold } from '../tensor/hold.js'
import { expectTensor, handlesOf, Tensor } from '../tensor/tensor.js'

/** Options of `torch.autograd.grad`, as in Python. */
export interface GradOptions {
  /**
   * The vectors of the vector-Jacobian product: one for each output, of the shape of the output. Default: 1, which only outputs of one element
   * allow.
   */
  gradOutputs?: readonly Tensor[]
  /** Whether the gradients can be differentiated again. Default: false. */
  createGraph?: boolean
  /** Whether the graph is kept for another call. Default: the value of `createGraph`. */
  retainGraph?: boolean
  /** Whether the gradient of an input that the outputs do not depend on is null instead of an error. Default: false. */
  allowUnused?: boolean
}

/** Options of `torch.autograd.backward`, as in Python. */
export interface BackwardOptions {
  /** The vectors of the vector-Jacobian product, as in {@link GradOptions}. */
  gradOutputs?: readonly Tensor[]
  /** Whether the gradients can be differentiated again, as in {@link GradOptions}. Default: false. */
  createGraph?: boolean
  /** Whether the graph is kept, as in {@link GradOptions}. Default: the value of `createGraph`. */
  retainGraph?: boolean
  /** The tensors to whose `grad` the gradients are added. Default: all leaves that the outputs depend on. */
  inputs?: readonly Tensor[]
}

/**
 * Computes the gradients of outputs with respect to inputs, off the event loop. Nothing is added to the `grad` of the inputs. As Python's
 * `torch.autograd.grad`.
 *
 * The graph of the outputs is freed, unless `retainGraph` is set.
 *
 * @param outputs tensors that require gradients
 * @param inputs the tensors to differentiate with respect to
 * @param options as in Python
 * @returns one gradient for each input, of its shape, dtype and device; with `allowUnused`, null for inputs that the outputs do not depend on
 * @throws `ERR_TORCH` when an output does not require gradients, when an input is unused (without `allowUnused`), or when the graph was
 *   freed before; `ERR_SECOND_DERIVATIVE` when attention that ran in a fused kernel is differentiated twice
 * @example
 * const w = torch.tensor([1, 2, 3], { requiresGrad: true })
 * console.log(await torch.autograd.grad([w.square().sum()], [w]))
 * // → [ tensor([2., 4., 6.]) ]
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
 * Computes the gradients of outputs and adds them to the `grad` of the leaves that the outputs depend on, off the event loop. As Python's
 * `torch.autograd.backward`.
 *
 * @param outputs tensors that require gradients
 * @param options as in Python
 * @throws `ERR_TORCH` and `ERR_SECOND_DERIVATIVE` as `torch.autograd.grad`
 * @example
 * const w = torch.tensor([1, 2, 3], { requiresGrad: true })
 * await torch.autograd.backward([w.square().sum()])
 * console.log(w.grad)
 * // → tensor([2., 4., 6.])
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
    `expected gradients that can be differentiated again but attention ran in a fused kernel, which only has a first derivative; compute the forward inside torch.nn.attention.sdpaKernel('math', …) (${cause.message})`,
    { cause },
  )
}

/**
 * Computes a vector-Jacobian product: vᵀJ, where J is the Jacobian of a function at the inputs. As Python's
 * `torch.autograd.functional.vjp`.
 *
 * @param fn a synchronous or asynchronous function of tensors. It receives tensors that share the memory of `inputs`, are detached and
 *   require gradients.
 * @param inputs the point at which the Jacobian is taken
 * @param vector one tensor for each output, of its shape. It may be left out if there is one output with one element.
 * @returns the outputs of `fn`, and the product: one tensor for each input. Where nothing depends on an input, or an output depends on
 *   nothing, the entries are zeros.
 * @throws `ERR_SHAPE` unless `vector` has one tensor for each output; `ERR_INVALID_ARGUMENT`; `ERR_TORCH` as `torch.autograd.grad`
 * @example
 * const { outputs, product } = await vjp((a) => a.square(), [torch.tensor([1, 2])], [torch.tensor([1, 10])])
 * console.log(outputs, product)
 * // → [ tensor([1., 4.]) ] [ tensor([ 2., 40.]) ]
 */
export async function vjp(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
  vector: readonly Tensor[] = [],
): Promise<{ outputs: Tensor[]; product: Tensor[] }> {
  handlesOf('vector', vector)
  using _held = hold('vjp()', vector)
  const { leaves, outputs } = await callOnLeaves(fn, inputs)
  if (vector.length > 0 || outputs.length > 1) expectOneForEach(vector, outputs, 'output')
  // An output that depends on no input has rows of zeros in J.
  const dependent = outputs.flatMap((output, i) => (output.requiresGrad ? [i] : []))
  const product = await gradOrNull(
    dependent.map((i) => outputs[i]!),
    leaves,
    { gradOutputs: vector.length > 0 ? dependent.map((i) => vector[i]!) : [] },
  )
  return {
    outputs: outputs.map((output) => output.detach()),
    product: product.map((tensor, i) => tensor ?? aten.zeros_like(inputs[i]!)),
  }
}

/**
 * Computes a Jacobian-vector product: Jv, where J is the Jacobian of a function at the inputs. As Python's
 * `torch.autograd.functional.jvp`.
 *
 * It differentiates uᵀJ, which is linear in u, with respect to u. Attention is computed by the `math` kernel, since the function is
 * differentiated twice.
 *
 * @param fn as for {@link vjp}
 * @param inputs the point at which the Jacobian is taken
 * @param vector one tensor for each input, of its shape
 * @returns the outputs of `fn`, and the product: one tensor for each output
 * @throws `ERR_SHAPE` unless `vector` has one tensor of the right shape for each input; `ERR_INVALID_ARGUMENT`; `ERR_TORCH` as `torch.autograd.grad`
 * @example
 * const { product } = await jvp((a) => a.square(), [torch.tensor([1, 2])], [torch.tensor([1, 10])])
 * console.log(product)
 * // → [ tensor([ 2., 40.]) ]
 */
export async function jvp(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
  vector: readonly Tensor[],
): Promise<{ outputs: Tensor[]; product: Tensor[] }> {
  expectOneForEach(vector, inputs, 'input')
  for (const [i, tensor] of vector.entries()) expectShape(tensor, inputs[i]!)
  using _held = hold('jvp()', vector)
  const { leaves, outputs } = await sdpaKernel('math', () => callOnLeaves(fn, inputs))
  const dependent = outputs.flatMap((output, i) => (output.requiresGrad ? [i] : []))
  const covectors = outputs.map((output) => aten.zeros_like(output).requires_grad_())
  const pullback = await gradOrNull(
    dependent.map((i) => outputs[i]!),
    leaves,
    { gradOutputs: dependent.map((i) => covectors[i]!), createGraph: true },
  )
  const linear = pullback.flatMap((tensor, i) => (tensor?.requiresGrad ? [i] : []))
  const product = await gradOrNull(
    linear.map((i) => pullback[i]!),
    covectors,
    { gradOutputs: linear.map((i) => vector[i]!) },
  )
  return {
    outputs: outputs.map((output) => output.detach()),
    product: product.map((tensor, i) => tensor ?? aten.zeros_like(outputs[i]!)),
  }
}

/** Calls a function with detached copies of the inputs that require gradients. */
async function callOnLeaves(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>,
  inputs: readonly Tensor[],
): Promise<{ leaves: Tensor[]; outputs: readonly Tensor[] }> {
  expectFunction('fn', fn)
  handlesOf('inputs', inputs)
  const leaves = inputs.map((input) => input.detach().requires_grad_())
  const outputs = await enableGrad(() => fn(...leaves))
  const listed = outputs instanceof Tensor ? [outputs] : outputs
  handlesOf('the outputs of fn', listed)
  return { leaves, outputs: listed }
}

/** `grad` with `allowUnused`. There may be no outputs at all. */
async function gradOrNull(
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
    `expected a vector of the shape of its input, [${like.shape}], but received [${tensor.shape}]`,
  )
}

/**
 * Computes a Hessian-vector product: Hv, where H is the Hessian of a loss with respect to the inputs. It is the gradient of ∇loss · v, and it
 * runs off the event loop. The graph of the loss is freed.
 *
 * @param loss a tensor with one element, computed with gradients recorded
 * @param inputs the tensors with respect to which the loss is differentiated, for example the parameters of a model
 * @param vector one tensor for each input, of its shape
 * @returns the product: one tensor for each input; zeros for inputs that the gradient does not depend on
 * @throws `ERR_SHAPE` unless `vector` has one tensor for each input; `ERR_SECOND_DERIVATIVE` when attention ran in a fused kernel (compute
 *   the loss inside `torch.nn.attention.sdpaKernel('math', …)`); `ERR_INVALID_ARGUMENT`; `ERR_TORCH` as `torch.autograd.grad`
 * @example
 * const w = torch.tensor([1, 2], { requiresGrad: true })
 * console.log(await hvp(w.pow(3).sum(), [w], [torch.tensor([1, 10])])) // H = diag(6w)
 * // → [ tensor([  6., 120.]) ]
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
 * Computes a Hessian-vector product as {@link hvp} does, from gradients that exist already. For many products with the same Hessian, keep the
 * graph of the gradients: each product then costs one backward.
 *
 * @param gradients the gradients of the loss with respect to the inputs, made with `createGraph`; null for an unused input
 * @param inputs the tensors with respect to which the loss was differentiated
 * @param vector one tensor for each input, of its shape
 * @param retainGraph whether the graph of the gradients is kept for another product
 * @returns the product: one tensor for each input; zeros for inputs that the gradient does not depend on
 * @throws as {@link hvp}
 * @example
 * const w = torch.tensor([1, 2], { requiresGrad: true })
 * const gradients = await torch.autograd.grad([w.pow(3).sum()], [w], { createGraph: true })
 * for (const v of torch.eye(2)) console.log(await hvpOfGradients(gradients, [w], [v], true))
 * // → [ tensor([6., 0.]) ]
 * // → [ tensor([ 0., 12.]) ]
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
  // The gradient of a function that is linear in an input has no graph: its rows of the Hessian are zero.
  const curved = gradients.flatMap((gradient, i) => (gradient?.requiresGrad ? [i] : []))
  const products = await gradOrNull(
    curved.map((i) => gradients[i]!),
    inputs,
    { gradOutputs: curved.map((i) => vector[i]!), retainGraph },
  )
  return products.map((product, i) => product ?? aten.zeros_like(inputs[i]!))
}
