import { SosError } from '../base/index.js'
import { Tensor, type Value } from '../torch/index.js'
import { described, type OutputItem, outputOf } from './model-output.js'

/**
 * The logits in the output of a classifier, one row for each image.
 *
 * @param item which item of the output they are, where it is a tuple or a dictionary
 * @throws `ERR_OUTPUT_SHAPE` for anything else
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
