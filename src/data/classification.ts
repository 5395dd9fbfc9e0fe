import { SosError } from '../torch/errors.js'
import { Tensor } from '../torch/tensor/tensor.js'

/** The output of a classifier: one row of logits for each image. Throws `ERR_OUTPUT_SHAPE` for anything else. */
export function expectLogits(output: unknown, images: number): Tensor {
  if (output instanceof Tensor && output.shape.length === 2 && output.shape[0] === images) return output
  const came = output instanceof Tensor ? `a tensor [${output.shape.join(', ')}]` : `a ${typeof output}`
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected the model to return logits [${images}, classes] but it returned ${came}: is it a classifier?`,
  )
}
