// What other folders of the package use from this folder in addition to its front door, index.ts. It is not part of the package's interface.

export { recordFile } from './checkpoint-record.js'
export {
  classDoubts,
  expectAgreement,
  expectClassesOf,
  expectSameClasses,
  warnOfClasses,
} from './class-agreement.js'
export { allFinite, expectFinite, notFinite, whyNotFinite } from './finite.js'
export { InferenceModel } from './inference-model.js'
export { inputDtype } from './input-dtype.js'
export { callsConvolution } from './layer/convolution.js'
export { linearLayerAt } from './layer/linear-layer.js'
export { findOutputLayer } from './layer/output-layer.js'
export { ownFlow } from './layer/own-flow.js'
export { WeightReads } from './layer/weight-reads.js'
export { expectLogits, forwardLogits } from './logits.js'
export { outputOf, tensorsIn } from './model-output.js'
export { ofShape, onImages, withMore } from './on-images.js'
export { parameterName, parametersAt } from './parameters-at.js'
export { type PassBatch, pass } from './pass.js'
export { whyCurved } from './piecewise-linear.js'
export { asLogits, expectKind, isOutputOf, unrounded } from './probabilities.js'
export { randomness, warnIfRandom } from './randomness.js'
export { trainedParameters } from './trained-parameters.js'
