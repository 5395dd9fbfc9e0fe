/**
 * How sharp the minimum is: traces of the Hessian by several ways, Hessian-vector products, neural collapse.
 *
 * @module sharpness
 */

export { ClassScatter } from './collapse/class-scatter.js'
export {
  type Classifier,
  type LabelledRows,
  type NeuralCollapse,
  neuralCollapse,
  type VectorSpread,
} from './collapse/neural-collapse.js'
export type { EigenvalueOptions } from './eigenvalues/eigenvalue-options.js'
export type { Eigenvalue, Eigenvalues } from './eigenvalues/eigenvalue-search.js'
export {
  type DensityOptions,
  densityAt,
  type SpectralDensity,
  spectralDensity,
} from './eigenvalues/spectral-density.js'
export type { SpectrumEnd } from './eigenvalues/spectrum-end.js'
export { topEigenvalues } from './eigenvalues/top-eigenvalues.js'
export { compareLandscapes, type LandscapeComparison } from './landscape/compare-landscapes.js'
export type { DirectionOptions, Normalization } from './landscape/directions.js'
export {
  type Landscape,
  type LandscapeOptions,
  type LandscapeSettings,
  type LossSurface,
  landscape,
  type Surface,
} from './landscape/landscape.js'
export { type LossLine, type LossLineOptions, lossLine } from './landscape/loss-line.js'
export type { PlaceScore } from './landscape/loss-sums.js'
export type { SurveyOptions } from './landscape/survey.js'
export {
  type AverageOptions,
  type AverageSharpness,
  averageSharpness,
} from './neighbourhood/average-sharpness.js'
export type { NeighbourhoodOptions, NeighbourhoodSharpness } from './neighbourhood/perturbed-model.js'
export {
  type WorstCaseOptions,
  type WorstCaseSharpness,
  worstCaseSharpness,
} from './neighbourhood/worst-case-sharpness.js'
export {
  type ActivationHessianOptions,
  type Activations,
  activationHessian,
  residualHessian,
} from './operators/activation-hessian.js'
export { empiricalFisher, fisher, gaussNewton } from './operators/gauss-newton.js'
export { hessian } from './operators/hessian.js'
export type { ModelOperator, OperatorOptions } from './operators/model-operator.js'
export type { SymmetricOperator } from './operators/symmetric-operator.js'
export { compareHeads, type HeadComparison } from './per-sample/compare-heads.js'
export { comparePerSampleTraces, type PerSampleComparison } from './per-sample/compare-per-sample-traces.js'
export type { ImageSample } from './per-sample/image-sample.js'
export type { ImageSampling, PerSampleOptions } from './per-sample/per-sample-options.js'
export { type PerSampleTrace, perSampleTrace } from './per-sample/per-sample-trace.js'
export type { LayerPart, SampledValue } from './per-sample/sampled-mean.js'
export { type GaussNewtonTrace, gaussNewtonTrace } from './traces/gauss-newton-trace.js'
export {
  compareTraces,
  compareWith,
  type HessianTrace,
  hessianTrace,
  type TraceComparison,
  type TraceOptions,
} from './traces/hessian-trace.js'
export { hutchPlusPlus } from './traces/hutch-plus-plus.js'
export { hutchinsonTrace, type TraceEstimate } from './traces/hutchinson-trace.js'
export { type LastLayerTrace, lastLayerTrace } from './traces/last-layer-trace.js'
export { xTrace } from './traces/x-trace.js'
