import type { Dataset } from '../../data/index.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'
import { asLogits, expectAgreement, expectKind, forwardLogits, unrounded } from '../../model/internal.js'
import { type ScriptModule, type Tensor, torch } from '../../torch/index.js'

/** What a model is run on, and how its output is read. */
export interface Forward {
  readonly model: ScriptModule
  readonly dataset: Dataset
  readonly options: OutputOptions & { outputs?: OutputKind }
}

/** The model's output with a graph that can be differentiated twice. The fused kernels of attention have no second derivative. */
export async function differentiableOutput(
  { model, dataset, options }: Forward,
  images: Tensor,
): Promise<Tensor> {
  const output = await torch.enableGrad(() =>
    torch.nn.attention.sdpaKernel('math', () => forwardLogits(model, images, options.output)),
  )
  expectAgreement(model, dataset, output.shape[1]!)
  expectKind(output, options.outputs ?? 'logits')
  return output
}

/** The logits in an output, in a dtype in which a loss can be computed. */
export function logitsIn(output: Tensor, { options: { outputs = 'logits' } }: Forward): Tensor {
  return torch.enableGrad(() => unrounded(asLogits(output, outputs)))
}
