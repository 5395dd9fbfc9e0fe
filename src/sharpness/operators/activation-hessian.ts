import { expectFunction, expectText, SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { type ScriptModule, Tensor, torch } from '../../torch/index.js'
import { differentiableOutput, logitsIn } from './differentiable-output.js'
import { softmaxOf } from './gauss-newton.js'
import { hessianGraph } from './hessian.js'
import {
  type Chunk,
  type ModelOperator,
  modelOperator,
  type OperatorKind,
  type OperatorOptions,
} from './model-operator.js'

/** The activations of a chunk of samples, for {@link activationHessian}. */
export interface Activations {
  /** The logits, [n, classes], or the input of the layer, [n, …]; without a graph. */
  readonly values: Tensor
  /** The samples' labels, int64 [n]. */
  readonly labels: Tensor
  /** The samples' indices in the dataset. */
  readonly indices: readonly number[]
}

/** How {@link activationHessian} is computed. */
export interface ActivationHessianOptions extends OperatorOptions {
  /** The path of the layer whose input is taken. Default: none; the activations are then the logits of the model. */
  layer?: string
}

/**
 * Makes the Hessian of a weighted sum of activations, θ ↦ Σ_i c_iᵀ a_i(θ) / N, as an operator. a_i are sample i's logits, or the input of a
 * layer, and the c_i are held fixed. It is the part of the Hessian of a loss that comes from the curvature of the network below that point: if
 * c_i is the loss's gradient at a_i, then H = J_aᵀ(∂²loss/∂a²)J_a + this matrix. For a piecewise linear network its diagonal is zero. It is
 * linear in the c_i, so that the difference of two losses of the same activations takes one operator.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param weights gives the c_i of a chunk of samples, a tensor of the shape of the activations. It is called without gradients
 * @param options the layer, what the model returns, which parameters, and how to run. Parameters that the activations do not depend on, such
 *   as those of the layer itself, have rows of zeros
 * @returns the operator: its size, its dtype and its products
 * @throws as `hessian`, and so does `apply`; it also throws `ERR_NO_SUCH_MODULE`, `ERR_SHAPE` if `weights` returns another shape, and
 *   `ERR_NOT_CALLED` if the layer is called more than once
 * @example
 * const weights = ({ values }: { values: Tensor }) => torch.ones_like(values)
 * using operator = activationHessian(model, train, [0, 1, 2], weights, { layer: 'fc', parameters: 'layer1.**' })
 * console.log((await hutchinsonTrace(operator, { probes: 2, seed: 0 })).size === operator.size) // → true
 */
export function activationHessian(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  weights: (activations: Activations) => Tensor,
  options: ActivationHessianOptions = {},
): ModelOperator {
  expectFunction('weights', weights)
  return modelOperator(kindOf(weights, options?.layer), model, dataset, indices, options)
}

/**
 * Makes the part of the Hessian of the mean cross-entropy that its Gauss-Newton matrix leaves out, as an operator:
 *
 *     R = H − G = Σ_i Σ_k (p_i − y_i)_k ∂²z_ik/∂θ² / N,
 *
 * with sample i's logits z_i, their softmax p_i and its label y_i as a unit vector. It is {@link activationHessian} with p − y at the logits.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, which parameters, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws as `hessian`, and so does `apply`
 * @example
 * using operator = residualHessian(model, train, [0, 1, 2, 3], { parameters: 'fc.*' })
 * const [product] = await operator.apply([torch.ones([operator.size])])
 * console.log(product!.abs().max().item()) // → 0
 */
export function residualHessian(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions = {},
): ModelOperator {
  const residual = ({ values, labels }: Activations) => softmaxOf(values, labels).residual
  return modelOperator(kindOf(residual), model, dataset, indices, options)
}

function kindOf(weights: (activations: Activations) => Tensor, layer?: string): OperatorKind {
  return {
    forward: (chunk) =>
      layer === undefined ? differentiableOutput(chunk, chunk.images) : inputOf(layer, chunk),
    async graph(output, chunk) {
      const activations = layer === undefined ? logitsIn(output, chunk) : output
      const { labels, indices } = chunk
      const values = activations.detach()
      const given = torch.noGrad(() => weights({ values, labels, indices }))
      const fixed = expectWeights(given, values)
      const sum = torch.enableGrad(() => activations.mul(fixed).sum().div(indices.length))
      return hessianGraph(sum, chunk.parameters)
    },
  }
}

/** The input of a layer, with its graph. */
async function inputOf(layer: string, chunk: Chunk): Promise<Tensor> {
  expectText('layer', layer)
  const heard: Tensor[] = []
  using view = chunk.model.view()
  // A hook that replaces: what one that observes would get may be a copy without a graph, if the network writes over the input later.
  using _hook = view.registerForwardPreHook(
    layer,
    ({ inputs: [input, ...others] }) => {
      if (!(input instanceof Tensor)) return
      const own = input.clone()
      heard.push(own)
      return [own, ...others]
    },
    { replace: true },
  )
  await differentiableOutput({ ...chunk, model: view }, chunk.images)
  const [input] = heard
  if (heard.length === 1 && input!.shape[0] === chunk.images.shape[0]) return input!
  throw new SosError(
    'ERR_NOT_CALLED',
    `expected '${layer}' to be called once, with a tensor that has a row for each image, but ${heard.length === 1 ? `it received [${input!.shape}]` : `it received ${heard.length} tensors`}`,
  )
}

function expectWeights(weights: unknown, like: Tensor): Tensor {
  if (weights instanceof Tensor && String(weights.shape) === String(like.shape))
    return weights.detach().to({ dtype: like.dtype, device: like.device })
  throw new SosError(
    'ERR_SHAPE',
    `expected weights of the shape of the activations, [${like.shape}], but received ${weights instanceof Tensor ? `[${weights.shape}]` : 'another value'}`,
  )
}
