import type { Dataset } from '../../data/index.js'
import { hvpOfGradients, type ScriptModule, type Tensor, torch } from '../../torch/index.js'
import { differentiableOutput, logitsIn } from './differentiable-output.js'
import type { ChunkGraph } from './kept-graphs.js'
import {
  type ModelOperator,
  modelOperator,
  type OperatorKind,
  type OperatorOptions,
} from './model-operator.js'

/**
 * Makes the Hessian of the mean cross-entropy over fixed samples, as an operator. Its vectors have all parameters that
 * require gradients, one after another in the order of `model.parameters()`; the option `parameters` chooses some of
 * them. BatchNorm is in eval mode. Attention uses libtorch's `math` kernel, the one that can be differentiated twice.
 * For weights in half precision it is the Hessian of the same numbers in float32.
 *
 * The matrix is that of the weights at the time of this call. If they are written to afterwards, `apply` refuses to
 * work. A product takes two gradient calls for each chunk of samples, of which the first is made once for all vectors
 * of a call and, within the memory that `graphBytes` allows, once for all calls. Chunks are weighted by their size.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, which parameters, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws `ERR_FROZEN`; `ERR_NO_GRADIENT` if no parameter requires a gradient; `ERR_NO_SUCH_PARAMETER` if the option
 *   `parameters` matches none. `apply` throws `ERR_NO_GRADIENT` if no gradient reaches a parameter; `ERR_PROBABILITIES`
 *   if `outputs` is wrong; `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE` if logits are NaN or infinite; `ERR_LABELS` if the
 *   dataset's classes are not the model's; `ERR_DATASET` if every image was skipped; `ERR_WEIGHTS_CHANGED` if a
 *   parameter or buffer was written to since this call; `ERR_DISPOSED`
 * @example
 * using operator = hessian(model, train, [0, 1, 2, 3], { parameters: 'fc.*' })
 * const [product] = await operator.apply([torch.ones([operator.size])])
 * console.log(operator.parameters, product!.shape) // → [ 'fc.weight', 'fc.bias' ] [ 2570 ]
 */
export function hessian(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions = {},
): ModelOperator {
  return modelOperator(kind, model, dataset, indices, options)
}

const kind: OperatorKind = {
  forward: (chunk) => differentiableOutput(chunk, chunk.images),
  graph(output, chunk) {
    const logits = logitsIn(output, chunk)
    const loss = torch.enableGrad(() => torch.cross_entropy_loss(logits, chunk.labels))
    return hessianGraph(loss, chunk.parameters)
  },
}

/** The graph of the Hessian of a number. */
export async function hessianGraph(value: Tensor, parameters: readonly Tensor[]): Promise<ChunkGraph> {
  const gradients = await torch.autograd.grad([value], parameters, { createGraph: true, allowUnused: true })
  return {
    tensors: gradients.filter((gradient) => gradient !== null),
    multiply: (parts) => hvpOfGradients(gradients, parameters, parts, true),
  }
}
