import type { ScriptModule, Tensor, Value } from '../torch/index.js'
import { expectLogits } from './classification.js'
import { notFinite } from './finite.js'
import type { OutputItem } from './model-output.js'
import { onImages } from './on-images.js'

/**
 * The logits of a model, in the grad mode of the caller.
 *
 * @param item which item of the model's output they are, where it is a tuple or a dictionary
 * @throws `ERR_OUTPUT_SHAPE`, and `ERR_NOT_FINITE` where there is NaN or infinity among them; −infinity is a logit of a probability of 0
 */
export async function forwardLogits(model: ScriptModule, images: Tensor, item?: OutputItem): Promise<Tensor> {
  const logits = await onImages(model, images, async (some) =>
    expectLogits(await model.forward<Value>(some), some.shape[0]!, item),
  )
  if (logits.detach().amax().item() < Number.POSITIVE_INFINITY) return logits
  throw notFinite(model, 'its logits', images)
}
