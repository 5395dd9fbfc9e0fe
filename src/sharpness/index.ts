/**
 * How sharp the minimum is: traces of the Hessian by several ways, Hessian-vector products, neural collapse.
 *
 * @module sharpness
 */

export { ClassScatter } from './class-scatter.js'
export {
  type DensityOptions,
  densityAt,
  type SpectralDensity,
  spectralDensity,
} from './eigenvalues/spectral-density.js'
export type { SpectrumEnd } from './eigenvalues/spectrum-end.js'
export {
  type Eigenvalue,
  type EigenvalueOptions,
  type Eigenvalues,
  topEigenvalues,
} from './eigenvalues/top-eigenvalues.js'
export { type GaussNewtonTrace, gaussNewtonTrace } from './gauss-newton-trace.js'
export { type HessianOperator, type HessianOptions, hessian } from './hessian.js'
export {
  compareTraces,
  compareWith,
  type HessianTrace,
  hessianTrace,
  type TraceComparison,
  type TraceOptions,
} from './hessian-trace.js'
export { hutchinsonTrace, type SymmetricOperator, type TraceEstimate } from './hutchinson-trace.js'
export { type LastLayerTrace, lastLayerTrace } from './last-layer-trace.js'
export {
  type Classifier,
  type LabelledRows,
  type NeuralCollapse,
  neuralCollapse,
  type VectorSpread,
} from './neural-collapse.js'
export { xTrace } from './x-trace.js'
