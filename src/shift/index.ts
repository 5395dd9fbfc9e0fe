/**
 * Optimum shifting: the layer's inputs are captured, the weight of least norm with the same outputs is solved for, verified, certified
 * and written; studies of many shifts.
 *
 * @module shift
 */

export type { Spread } from '../base/index.js'
export { type ApplyOptions, applyShift } from './apply-shift.js'
export {
  type CapturedRows,
  type CaptureOptions,
  captureChunks,
  captureInputs,
  captureRows,
  type Look,
} from './capture.js'
export { certifyDrift, type DriftCertificate, DriftSums, type LogitCertificate } from './certificates.js'
export {
  type Control,
  type ControlOptions,
  type ControlWeights,
  controlNames,
  controlWeights,
} from './controls.js'
export { type Drift, measureDrift, type Rounding } from './drift.js'
export {
  convolutionRows,
  groupMatrix,
  outputSize,
  sampleWindows,
  weightOfGroups,
} from './layer/convolution-rows.js'
export { isConvolution, linearLayer, type ShiftableLayer, shiftableLayer } from './layer/layer.js'
export type { MeasuredPredictions } from './output-watch.js'
export { saveShifted } from './save-shifted.js'
export {
  type BatchOptions,
  type CapturedBatch,
  drawBatch,
  type ShiftBatch,
  type SummedBatch,
} from './shift-batch.js'
export { shiftLayers } from './shift-layers.js'
export { type ShiftOnAllOptions, shiftOnAll } from './shift-on-all.js'
export { type ShiftOptions, shiftOptimum } from './shift-optimum.js'
export type { ShiftRecord } from './shift-record.js'
export { GramAccumulator, rowSpaceOfGram, type StreamOptions, spectrumOfGram } from './solve/gram.js'
export type { LinearMap } from './solve/linear-map.js'
export { type CutValues, parseRankPolicy, type RankPolicy, rankPolicyName } from './solve/rank.js'
export {
  type Decomposition,
  defaultTolerance,
  projectOnRowSpace,
  type RowSpace,
  type RowSpaceOptions,
  rowSpace,
} from './solve/row-space.js'
export {
  type BiasMode,
  biasModes,
  type Solution,
  type SolveOptions,
  type Solver,
  solvers,
  solveShift,
} from './solve/solve.js'
export { cutAt, driftBoundAt, driftBounds, type Spectrum } from './solve/spectrum.js'
export { StreamedSolve } from './solve/streamed-solve.js'
export { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from './solve/tsqr.js'
export { runStudy, type StudyOptions, type StudyProgress } from './study/study.js'
export type { StudyPlanOptions } from './study/study-plan.js'
export type {
  NormPath,
  PairedTest,
  Study,
  StudyData,
  StudyDrift,
  StudyMethod,
  StudyRow,
  StudyScore,
  StudySpectrum,
  StudySummary,
  StudyVariant,
} from './study/study-result.js'
export type { VerifyOptions } from './verify-shift.js'
