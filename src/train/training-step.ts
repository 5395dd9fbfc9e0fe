import { SosError } from '../base/index.js'
import { asLogits, expectAgreement, expectKind, whyNotFinite } from '../model/internal.js'
import { type ScriptModule, type Tensor, torch } from '../torch/index.js'
import type { LossAndGradients } from './optimizers/optimizer.js'
import { alone } from './parallel.js'
import type { TrainerOptions } from './trainer-options.js'
import type { TrainingBatch } from './training-data.js'
import { trainingLogits } from './training-logits.js'

/** Runs of which the first batch was looked at: it tells for all, and a device is not waited for again. */
const begun = new WeakSet<TrainerOptions>()

/**
 * The gradients of a batch's mean cross-entropy at the weights of the moment, over the images of all processes.
 *
 * @param step those done before, in earlier parts of the run too
 */
export async function batchGradients(
  model: ScriptModule,
  parameters: readonly Tensor[],
  batch: TrainingBatch,
  options: TrainerOptions,
  step: number,
): Promise<LossAndGradients & { logits: Tensor }> {
  const { images, targets, whole } = batch
  const { data, parallel = alone, outputs = 'logits' } = options
  const given = await trainingLogits(model, batch, options)
  const isFirst = !begun.has(options)
  if (isFirst) {
    expectAgreement(model, data, given.shape[1]!)
    expectKind(given, outputs)
  }
  const logits = asLogits(given, outputs)
  const shares = targets.dtype === 'int64' ? targets : targets.to(logits.dtype) // of classes, by mixup
  const loss = torch.enableGrad(() => torch.cross_entropy_loss(logits, shares))
  if (isFirst && step === 0) expectFiniteLoss(model, loss, images)
  begun.add(options)
  // The mean over the processes is that over all images: a process with more of them counts for more.
  const count = images.shape[0]!
  const share = (count * parallel.size) / whole
  const shared = share === 1 ? loss : torch.enableGrad(() => loss.mul(share))
  const gradients = await parallel.gradients(shared, parameters)
  return { loss: loss.detach(), logits: logits.detach(), gradients }
}

/** Before any step was made: it is not the learning rate then. */
function expectFiniteLoss(model: ScriptModule, loss: Tensor, images: Tensor): void {
  const value = loss.detach().item()
  if (Number.isFinite(value)) return
  throw new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: expected a finite loss but that of the first batch is ${value}, before any step: ${whyNotFinite(model, images)}`,
  )
}
