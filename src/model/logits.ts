import { SosError } from '../base/index.js'
import { type ScriptModule, Tensor, type Value } from '../torch/index.js'
import { notFinite } from './finite.js'
import { described, type OutputItem, outputOf } from './model-output.js'
import { onImages } from './on-images.js'

/**
 * Finds the logits in the output of a classifier: one row for each image.
 *
 * @param images the number of images that the model was given
 * @param item which item of the output holds the logits, if the output is a tuple or a dictionary
 * @throws `ERR_OUTPUT_SHAPE` if the output, or the item, is no such tensor
 */
export function expectLogits(output: Value, images: number, item?: OutputItem): Tensor {
  const found = outputOf(output, item)
  if (found instanceof Tensor && found.shape.length === 2 && found.shape[0] === images) return found
  const from = item === undefined ? 'it returned' : `its output '${item}' is`
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected the model to return logits [${images}, classes] but ${from} ${described(found)}: is it a classifier?`,
  )
}

/**
 * Runs a model on images and returns its logits, in the grad mode of the caller.
 *
 * @param item which item of the model's output holds the logits, if the output is a tuple or a dictionary
 * @throws `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE` if a logit is NaN or +infinity. A logit of −infinity is allowed: its probability is 0
 */
export async function forwardLogits(model: ScriptModule, images: Tensor, item?: OutputItem): Promise<Tensor> {
  const logits = await onImages(model, images, async (some) =>
    expectLogits(await model.forward<Value>(some), some.shape[0]!, item),
  )
  if (logits.detach().amax().item() < Number.POSITIVE_INFINITY) return logits
  throw notFinite(model, 'its logits', images)
}
