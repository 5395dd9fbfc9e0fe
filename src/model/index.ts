/**
 * What a classifier is: its record and its classes, the layer that makes its output, the other layers that can be shifted, what it
 * returns.
 *
 * @module model
 */

export {
  type CheckpointRecord,
  checkpointRecord,
  classesOf,
  preprocessOf,
  presetNamed,
} from './checkpoint-record.js'
export { datasetFor, withClasses } from './class-agreement.js'
export {
  type ConvolutionGeometry,
  type ConvolutionLayer,
  convolutionLayer,
  convolutionLayers,
} from './layer/convolution.js'
export { type LinearLayer, linearLayers } from './layer/linear-layer.js'
export { type OutputLayer, outputLayer } from './layer/output-layer.js'
export type { OutputItem, OutputOptions } from './model-output.js'
export { isPiecewiseLinear } from './piecewise-linear.js'
export { areProbabilities, type OutputKind, outputKinds } from './probabilities.js'
