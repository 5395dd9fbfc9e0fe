import { batches, type Dataset, type RunOptions } from '../data/dataset.js'
import { noGrad } from '../torch/context.js'
import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import { keep, scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import { Tensor } from '../torch/tensor.js'
import type { LinearLayer } from './last-linear.js'

export interface CaptureOptions extends RunOptions {
  /** Images in one forward. Default: 64. */
  chunk?: number
}

/**
 * The inputs of a linear layer for the samples at `indices`, taken by a forward pre-hook in eval mode: the paper's A. A
 * layer that is called several times in a forward, or on more than one position of an image, gives a row for each.
 *
 * @returns [rows, m] on the CPU, in the dtype of the features
 */
export async function captureInputs(
  model: ScriptModule,
  layer: LinearLayer,
  dataset: Dataset,
  indices: readonly number[],
  options: CaptureOptions = {},
): Promise<Tensor> {
  const { chunk = 64, device = 'cpu', onProgress, signal } = options
  const rows: Tensor[] = []
  const hook = model.registerForwardPreHook(layer.path, ({ inputs: [input] }) => {
    if (!(input instanceof Tensor)) {
      throw new SosError('ERR_NOT_LINEAR', `expected a tensor as input of '${layer.path}'`)
    }
    rows.push(keep(input.detach().to({ device: 'cpu' }).reshape([-1, layer.inFeatures]).clone()))
  })
  const mode = model.training
  model.eval()
  try {
    let done = 0
    for await (const { images, indices: loaded, skipped } of batches(dataset, indices, chunk, device)) {
      signal?.throwIfAborted()
      if (loaded.length > 0) await noGrad(() => scope(async () => void (await model.forward(images))))
      done += loaded.length + skipped.length
      onProgress?.({ done, total: indices.length })
    }
    if (rows.length === 0) {
      throw new SosError(
        'ERR_NOT_CALLED',
        `'${layer.path}' was not called by forward: there are no inputs to take`,
      )
    }
    return torch.cat(rows)
  } finally {
    hook.remove()
    model.train(mode)
    for (const tensor of rows) tensor.dispose()
  }
}
