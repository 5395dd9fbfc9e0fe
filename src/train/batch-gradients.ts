import { expectAgreement } from '../data/class-agreement.js'
import { expectLogits } from '../data/classification.js'
import { asLogits, expectKind, type OutputKind } from '../data/probabilities.js'
import { type AutocastDevice, autocast } from '../torch/autocast.js'
import { enableGrad } from '../torch/context.js'
import type { ScriptModule } from '../torch/module/script-module.js'
import { torch } from '../torch/ops.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import type { LossAndGradients } from './optimizers/optimizer.js'
import { alone } from './parallel.js'
import type { TrainerOptions } from './trainer-options.js'
import type { TrainingBatch } from './training-data.js'

/** What the models that were trained return: the first batch tells, and a device is not waited for again. */
const known = new WeakMap<ScriptModule, OutputKind>()

/** The gradients of a batch's mean cross-entropy at the weights of the moment, over the images of all processes. */
export async function batchGradients(
  model: ScriptModule,
  parameters: readonly Tensor[],
  { images, targets, whole }: TrainingBatch,
  { data, autocast: dtype, parallel = alone, outputs = 'logits' }: TrainerOptions,
): Promise<LossAndGradients & { logits: Tensor }> {
  const count = images.shape[0]!
  const forward = () => enableGrad(() => model.forward(images))
  const kind = images.device.split(':')[0] as AutocastDevice
  const output = await (dtype === undefined ? forward() : autocast({ device: kind, dtype }, forward))
  const given = enableGrad(() => inFullPrecision(expectLogits(output, count)))
  expectAgreement(model, data, given.shape[1]!)
  if (known.get(model) !== outputs) expectKind(given, outputs)
  known.set(model, outputs)
  const logits = asLogits(given, outputs)
  const loss = enableGrad(() => torch.cross_entropy_loss(logits, targets))
  // The mean over the processes is that over all images: a process with more of them counts for more.
  const share = (count * parallel.size) / whole
  const shared = share === 1 ? loss : enableGrad(() => loss.mul(share))
  const gradients = await parallel.gradients(shared, parameters)
  return { loss: loss.detach(), logits: logits.detach(), gradients }
}

/** Half precision is for what autocast chose: a loss is not among it. */
function inFullPrecision(logits: Tensor): Tensor {
  return logits.dtype === 'bfloat16' || logits.dtype === 'float16' ? logits.to('float32') : logits
}
