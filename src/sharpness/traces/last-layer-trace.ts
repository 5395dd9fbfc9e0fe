import { checkNumbers } from '../../base/index.js'
import { type Dataset, sampleIndices } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { forwardLogits, pass } from '../../model/internal.js'
import { type ScriptModule, scope, Tensor, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { lastInput, lastLayerAt, lastLayerPart, probabilitiesOf } from '../last-layer.js'
import { type TraceOptions, traceNumbers } from './hessian-trace.js'

/** The last layer's part of the trace of the Hessian. */
export interface LastLayerTrace {
  /** The trace of the block of the layer's weight and, if it has one, its bias. */
  readonly trace: number
  /** The block is size × size. */
  readonly size: number
  /** The number of samples that were asked for. */
  readonly samples: number
  /** The indices of the samples in the dataset. */
  readonly indices: readonly number[]
}

/**
 * Computes the last layer's part of the trace of the Hessian, exactly. For z = Wa + b the second derivatives of the
 * cross-entropy are (diag p − ppᵀ) ⊗ aaᵀ, so that for a mean over samples
 *
 *     tr(H_W) = E[‖a‖² (1 − ‖p‖²)],    and with the bias E[(‖a‖² + 1)(1 − ‖p‖²)],
 *
 * whatever comes before the layer. It takes one forward pass, in eval mode and without gradients. This is the part that
 * a shift of the layer changes by itself; p is then the softmax of the shifted logits.
 *
 * @param model a classifier; it is not changed
 * @param path the path of the linear layer whose output is the model's, for example `linearLayer(model).path`
 * @param dataset the dataset that the samples are drawn from
 * @param options how many samples, and how to run. The same `samples` and `seed` give the same samples as in
 *   `hessianTrace`. The default `chunk` is 128
 * @returns the trace, and the samples
 * @throws `ERR_NO_SUCH_MODULE`; `ERR_BATCH_SIZE`; `ERR_NOT_LAST` if the model's output is neither the layer's output
 *   nor its softmax or log-softmax; `ERR_DATASET` if every image was skipped
 * @example
 * const { trace, size } = await lastLayerTrace(model, 'fc', train, { samples: 64 })
 * console.log(trace > 0, size) // → true 2570
 */
export async function lastLayerTrace(
  model: ScriptModule,
  path: string,
  dataset: Dataset,
  options: Omit<TraceOptions, 'probes' | 'parameters' | 'graphBytes'> = {},
): Promise<LastLayerTrace> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkNumbers(options, traceNumbers)
  const { samples = Math.min(512, dataset.size), seed = 0 } = options
  const { chunk = 128, device, onProgress, signal } = options
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  const layer = lastLayerAt(model, path)
  let heard: Tensor[] = []
  using held = model.view({ eval: true }) // so that the hook receives only the calls of this view
  held.registerForwardPreHook(path, ({ inputs: [input] }) => {
    if (input instanceof Tensor) heard.push(input)
  })
  let [sum, loaded] = [0, 0]
  for await (const batch of pass(held, dataset, indices, { chunk, device, onProgress, signal })) {
    const count = batch.indices.length
    loaded += count
    sum += await torch.noGrad(() =>
      scope(async () => {
        heard = []
        const output = await forwardLogits(held, batch.images, options.output)
        const input = lastInput(layer, heard, output)
        const logits = torch.linear(input, layer.weight, layer.bias)
        const counted = { weight: true, bias: layer.bias !== null }
        return lastLayerPart(input, probabilitiesOf(logits), counted).sum().item()
      }),
    )
  }
  const [outputs, inputs] = layer.weight.shape as [number, number]
  const size = outputs * (inputs + (layer.bias === null ? 0 : 1))
  return { trace: sum / loaded, size, samples, indices }
}
