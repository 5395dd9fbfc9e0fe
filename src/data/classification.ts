import { SosError } from '../torch/errors.js'
import { Tensor } from '../torch/tensor/tensor.js'
import type { Dataset } from './dataset.js'

/** The output of a classifier: one row of logits for each image. Throws `ERR_OUTPUT_SHAPE` for anything else. */
export function expectLogits(output: unknown, images: number): Tensor {
  if (output instanceof Tensor && output.shape.length === 2 && output.shape[0] === images) return output
  const came = output instanceof Tensor ? `a tensor [${output.shape.join(', ')}]` : `a ${typeof output}`
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected the model to return logits [${images}, classes] but it returned ${came}: is it a classifier?`,
  )
}

/** Refuses a dataset with labels that the model has no output for. Throws `ERR_LABELS`. */
export function checkLabels(dataset: Dataset, outputs: number): void {
  const largest = dataset.labels.reduce((a, b) => Math.max(a, b), -1)
  if (largest < outputs) return
  throw new SosError(
    'ERR_LABELS',
    `${dataset.name} has images of class ${largest} (${dataset.classes[largest]}) but the model has ${outputs} outputs, for classes 0 to ${outputs - 1}: is this the right model, and is classes.txt in its order?`,
  )
}
