import { expectLogits, ofShape, unrounded, withMore } from '../model/internal.js'
import { type AutocastDevice, type ScriptModule, type Tensor, torch, type Value } from '../torch/index.js'
import type { TrainerOptions } from './trainer-options.js'
import type { TrainingBatch } from './training-data.js'

/**
 * The logits of a batch with their graph, float32 or float64.
 *
 * @throws `ERR_TORCH` where the forward fails, with what may be done about it; `ERR_OUTPUT_SHAPE`
 */
export async function trainingLogits(
  model: ScriptModule,
  batch: TrainingBatch,
  options: TrainerOptions,
): Promise<Tensor> {
  const { images } = batch
  const { autocast: dtype, output: item } = options
  const forward = () => torch.enableGrad(() => model.forward<Value>(images))
  const kind = images.device.split(':')[0] as AutocastDevice
  try {
    const output = await (dtype === undefined ? forward() : torch.autocast({ device: kind, dtype }, forward))
    return torch.enableGrad(() => unrounded(expectLogits(output, images.shape[0]!, item)))
  } catch (error) {
    throw (error as { code?: string }).code === 'ERR_TORCH'
      ? explained(error as Error, batch, options)
      : error
  }
}

/** With what the size of the batch has to do with it: the last one of an epoch may be smaller than the others. */
function explained(
  error: Error,
  { images, whole }: TrainingBatch,
  { data, batchSize }: TrainerOptions,
): Error {
  const isLast = whole < batchSize
  const last = `it is the last batch of an epoch, of ${whole} in place of ${batchSize} images (${data.name} has ${data.size})`
  const leaveOut = 'leave it out by dropLast: true ("dropLast": true in a configuration)'
  if (/more than 1 value per channel/.test(error.message)) {
    const why = 'batch norm in train mode needs more than one value of each channel'
    return withMore(
      error,
      isLast
        ? `${why}, and ${last}: ${leaveOut}, or take another batchSize`
        : `${why}, and this process has ${images.shape[0]} image of a batch of ${batchSize}: take a larger batchSize`,
    )
  }
  const told = ofShape(error, images)
  return isLast ? withMore(told, `${last}: if the others do not fail, ${leaveOut}`) : told
}
