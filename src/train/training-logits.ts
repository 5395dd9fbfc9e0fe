import { expectLogits, ofShape, unrounded, withMore } from '../model/internal.js'
import { type AutocastDevice, type ScriptModule, type Tensor, torch, type Value } from '../torch/index.js'
import type { TrainerOptions } from './trainer-options.js'
import type { TrainingBatch } from './training-data.js'

/**
 * The logits of a batch, float32 or float64, with their autograd graph.
 *
 * @throws `ERR_TORCH` if the forward fails, with advice on what to do; `ERR_OUTPUT_SHAPE`
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

/** Adds what the size of the batch may have to do with an error: the last batch of an epoch may be smaller than the others. */
function explained(
  error: Error,
  { images, whole }: TrainingBatch,
  { data, batchSize }: TrainerOptions,
): Error {
  const isLast = whole < batchSize
  const last = `this is the last batch of an epoch, with ${whole} instead of ${batchSize} images (${data.name} has ${data.size})`
  const leaveOut = 'leave it out with dropLast: true ("dropLast": true in a configuration)'
  if (/more than 1 value per channel/.test(error.message)) {
    const why = 'batch norm in train mode needs more than one value of each channel'
    return withMore(
      error,
      isLast
        ? `${why}, and ${last}: ${leaveOut}, or choose another batchSize`
        : `${why}, and this process has only ${images.shape[0]} image of a batch of ${batchSize}: choose a larger batchSize`,
    )
  }
  const shaped = ofShape(error, images)
  return isLast ? withMore(shaped, `${last}: if the other batches do not fail, ${leaveOut}`) : shaped
}
