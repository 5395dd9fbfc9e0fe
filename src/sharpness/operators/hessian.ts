import { count, expectObject } from '../../base/index.js'
import type { Dataset, RunOptions } from '../../data/index.js'
import { checkIndices, expectDataset } from '../../data/internal.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'
import {
  asLogits,
  expectAgreement,
  expectKind,
  forwardLogits,
  pass,
  trainedParameters,
  unrounded,
} from '../../model/internal.js'
import { hvpOfGradients, type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { inFullPrecision, measuredDtype } from '../full-precision.js'
import { expectReach } from '../gradient-reach.js'
import type { SymmetricOperator } from './symmetric-operator.js'

/** How a Hessian is computed. */
export interface HessianOptions extends RunOptions, OutputOptions {
  /** How many samples one forward takes. Default: 128. */
  chunk?: number
  /** What the model returns: `logits` or `probabilities`. Default: `logits`. */
  outputs?: OutputKind
}

/** The Hessian of a model's loss, by its products. */
export interface HessianOperator extends SymmetricOperator {
  /**
   * The names of the parameters that are left out: they require no gradient, or none reaches them. It is known once the
   * operator was applied.
   */
  withoutGradient(): readonly string[]
}

/**
 * Makes the Hessian of the mean cross-entropy over fixed samples, as an operator. Its vectors have all parameters that
 * require gradients, one after another in the order of `model.parameters()`. BatchNorm is in eval mode. Attention uses
 * libtorch's `math` kernel, the one that can be differentiated twice. For weights in half precision it is the Hessian
 * of the same numbers in float32.
 *
 * A product takes two gradient calls. The first-order graph of a chunk is kept for all vectors of one `apply`, and
 * chunks are weighted by their size.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws `ERR_FROZEN`; `ERR_NO_GRADIENT` if no parameter requires a gradient. `apply` throws `ERR_NO_GRADIENT` if no
 *   gradient reaches a parameter; `ERR_PROBABILITIES` if `outputs` is wrong; `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE` if
 *   logits are NaN or infinite; `ERR_LABELS` if the dataset's classes are not the model's; `ERR_DATASET` if every image
 *   was skipped
 * @example
 * const operator = hessian(model, train, [0, 1, 2, 3])
 * const [product] = await operator.apply([torch.ones([operator.size])])
 * console.log(product!.shape[0] === operator.size) // → true
 */
export function hessian(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: HessianOptions = {},
): HessianOperator {
  expectObject('options', options)
  expectModule('model', model)
  expectDataset('dataset', dataset)
  const { chunk = 128, device = model.device, onProgress, signal } = options
  count('chunk', chunk)
  checkIndices(dataset, indices)
  const sizes = [...trainedParameters(model).values()].map((parameter) => parameter.numel())
  let withoutGradient: readonly string[] | undefined
  const dtype = measuredDtype(model)
  const size = sizes.reduce((a, b) => a + b, 0)

  const split = (vector: Tensor, parameters: readonly Tensor[]): Tensor[] =>
    vector
      .to({ device })
      .split_with_sizes(sizes)
      .map((part, i) => part.view(parameters[i]!.shape).to(parameters[i]!.dtype))

  const apply = async (vectors: readonly Tensor[]): Promise<Tensor[]> => {
    const products = vectors.map((vector) => torch.zeros_like(vector))
    let samples = 0
    using held = await inFullPrecision(model)
    const trained = trainedParameters(held)
    const parameters = [...trained.values()]
    const run = { chunk, device, rounds: vectors.length, onProgress, signal }
    for await (const batch of pass(held, dataset, indices, run)) {
      const loaded = batch.indices.length
      samples += loaded
      await scope(async () => {
        const output = await twiceDifferentiable(held, batch.images, options)
        expectAgreement(model, dataset, output.shape[1]!)
        const loss = lossOf(output, batch.labels, options)
        withoutGradient ??= await expectReach(held, trained, output)
        const gradients = await torch.autograd.grad([loss], parameters, {
          createGraph: true,
          allowUnused: true,
        })
        for (const [i, vector] of vectors.entries()) {
          signal?.throwIfAborted()
          const parts = await hvpOfGradients(gradients, parameters, split(vector, parameters), true)
          accumulate(products[i]!, parts, loaded)
          batch.roundDone()
        }
      })
    }
    return products.map((product) => product.div_(samples))
  }
  return { size, dtype, apply, withoutGradient: () => withoutGradient ?? [] }
}

/** The model's output with its graph. The fused kernels of attention have no second derivative. */
function twiceDifferentiable(
  model: ScriptModule,
  images: Tensor,
  { output }: HessianOptions,
): Promise<Tensor> {
  return torch.enableGrad(() =>
    torch.nn.attention.sdpaKernel('math', () => forwardLogits(model, images, output)),
  )
}

/** The mean cross-entropy of a chunk. */
function lossOf(output: Tensor, labels: Tensor, { outputs = 'logits' }: HessianOptions): Tensor {
  expectKind(output, outputs)
  const logits = asLogits(output, outputs)
  return torch.enableGrad(() => torch.cross_entropy_loss(unrounded(logits), labels))
}

/** product += weight · parts, where the parts are laid out one after another. */
function accumulate(product: Tensor, parts: readonly Tensor[], weight: number): void {
  scope(() => {
    product.add_(
      torch
        .cat(parts.map((part) => part.detach().reshape([-1]).to(product.dtype)))
        .to({ device: product.device }),
      { alpha: weight },
    )
  })
  for (const part of parts) part.dispose()
}
