import { SosError } from '../base/index.js'
import { asLogits, expectAgreement, expectKind, whyNotFinite } from '../model/internal.js'
import { type ScriptModule, type Tensor, torch } from '../torch/index.js'
import type { LossAndGradients, Optimizer } from './optimizers/optimizer.js'
import { alone } from './parallel.js'
import type { RunProgress } from './run-progress.js'
import type { TrainerOptions } from './trainer-options.js'
import type { TrainingBatch } from './training-data.js'
import { trainingLogits } from './training-logits.js'

/** What all steps of a run have in common. */
export interface TrainingRun {
  readonly model: ScriptModule
  readonly optimizer: Optimizer
  /** The parameters that require gradients. */
  readonly parameters: readonly Tensor[]
  readonly options: TrainerOptions
}

/**
 * One step of the optimizer, and the sums of the epoch with the batch's loss and accuracy before the step. Nobody can take the model out
 * of train mode during the step.
 *
 * @returns the loss before the step, a detached scalar on the model's device
 */
export async function trainingStep(
  { model, optimizer, parameters, options }: TrainingRun,
  batch: TrainingBatch,
  learningRate: number,
  progress: RunProgress,
): Promise<Tensor> {
  model.train()
  using working = model.atWork()
  let first = true
  return await optimizer.step(async () => {
    const computed = await lossAndGradients(working, parameters, batch, options, progress.step)
    // SAM computes the loss of a batch twice; the first is the one at the weights before the step.
    if (first) progress.sums.add(computed.loss, computed.logits, batch.targets)
    first = false
    return computed
  }, learningRate)
}

/** Runs whose first batch was checked. It stands for all others, so that the program waits for an accelerator only once. */
const begun = new WeakSet<TrainerOptions>()

/**
 * The mean cross-entropy of a batch and its gradients at the current weights, over the images of all processes.
 *
 * @param step the number of steps since the run began, resumed parts included
 */
async function lossAndGradients(
  model: ScriptModule,
  parameters: readonly Tensor[],
  batch: TrainingBatch,
  options: TrainerOptions,
  step: number,
): Promise<LossAndGradients & { logits: Tensor }> {
  const { images, targets, whole } = batch
  const { data, parallel = alone, outputs = 'logits' } = options
  const output = await trainingLogits(model, batch, options)
  const isFirst = !begun.has(options)
  if (isFirst) {
    expectAgreement(model, data, output.shape[1]!)
    expectKind(output, outputs)
  }
  const logits = asLogits(output, outputs)
  const shares = targets.dtype === 'int64' ? targets : targets.to(logits.dtype) // of the classes, with mixup
  const loss = torch.enableGrad(() => torch.cross_entropy_loss(logits, shares))
  if (isFirst && step === 0) expectFiniteLoss(model, loss, images)
  begun.add(options)
  // The mean over the processes must be the mean over all images: a process with more of them counts for more.
  const share = (images.shape[0]! * parallel.size) / whole
  const weighted = share === 1 ? loss : torch.enableGrad(() => loss.mul(share))
  const gradients = await parallel.gradients(weighted, parameters)
  return { loss: loss.detach(), logits: logits.detach(), gradients }
}

/** Checks the loss before any step was made: the learning rate cannot be the reason then. */
function expectFiniteLoss(model: ScriptModule, loss: Tensor, images: Tensor): void {
  const value = loss.detach().item()
  if (Number.isFinite(value)) return
  throw new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: expected a finite loss but the loss of the first batch is ${value}, before any step: ${whyNotFinite(model, images)}`,
  )
}
