import { count, expectObject } from '../base/index.js'
import type { Dataset, RunOptions } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import type { OutputKind, OutputOptions } from '../model/index.js'
import {
  asLogits,
  expectAgreement,
  expectKind,
  forwardLogits,
  pass,
  trainedParameters,
  unrounded,
} from '../model/internal.js'
import { hvpOfGradients, type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { inFullPrecision, measuredDtype } from './full-precision.js'
import { expectReach } from './gradient-reach.js'
import type { SymmetricOperator } from './hutchinson-trace.js'

export interface HessianOptions extends RunOptions, OutputOptions {
  /** Samples in one forward. Default: 128. */
  chunk?: number
  /** What the model returns. Default: logits. */
  outputs?: OutputKind
}

export interface HessianOperator extends SymmetricOperator {
  /** Parameters that are no part of it: they require no gradient, or none reaches them. Known once it was applied. */
  withoutGradient(): readonly string[]
}

/**
 * The Hessian of the mean cross-entropy over fixed samples with respect to all parameters that require gradients, laid out
 * one after another in the order of `model.parameters()`. BatchNorm is in eval mode; attention takes libtorch's `math` kernel, the one
 * that can be differentiated twice. Of weights in half precision it is that of the same numbers in float32.
 *
 * A chunk's first-order graph is kept for all vectors of one `apply`; chunks are weighted by their size.
 *
 * @throws `ERR_FROZEN`, `ERR_NO_GRADIENT` where no parameter requires a gradient or none reaches any, `ERR_PROBABILITIES` where
 *   `outputs` is wrong, `ERR_OUTPUT_SHAPE`, `ERR_NOT_FINITE` where logits are NaN or infinite, `ERR_LABELS` where the dataset's classes are not the model's, `ERR_DATASET` where every image was skipped
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

/** product += weight · parts, laid out flat. */
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
