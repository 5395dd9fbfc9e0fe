export { type Augmentation, randomCrop, randomFlip } from './data/augmentation.js'
export {
  type CheckpointRecord,
  checkpointRecord,
  preprocessOf,
  presetNamed,
} from './data/checkpoint-record.js'
export { type Cifar100Options, type CifarOptions, cifar10, cifar100 } from './data/cifar.js'
export type { CifarLabels } from './data/cifar-files.js'
export {
  type Batch,
  batches,
  type Dataset,
  type LoadedImages,
  type Pixels,
  type Progress,
  type RunOptions,
  type SkippedImage,
} from './data/dataset.js'
export { Draws } from './data/draws.js'
export { idx } from './data/idx.js'
export type { Decoder } from './data/image.js'
export type { ImageOptions } from './data/image-files.js'
export { imageFolder } from './data/image-folder.js'
export { type ImageNetOptions, imageNet } from './data/imagenet.js'
export { type Preprocess, preprocess } from './data/preprocess.js'
export { presets } from './data/presets.js'
export { classesCovered, type SampleOptions, type Sampling, sampleIndices } from './data/sampling.js'
export { openDataset } from './data/spec.js'
export { subset } from './data/subset.js'
export {
  type ClassScore,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  evaluateAll,
} from './evaluate/evaluate.js'
export { EvaluationRecord, type RecordedBatch, type RecordedScores } from './evaluate/evaluation-record.js'
export { type EvaluationSubject, evaluationSubject } from './evaluate/evaluation-subject.js'
export { type McNemar, mcnemar } from './evaluate/mcnemar.js'
export {
  type ReliabilityBin,
  type SampleScores,
  type Score,
  ScoreSums,
  sampleScores,
  score,
} from './evaluate/metrics.js'
export type { Paired } from './report/paired.js'
export { makeReportFolder } from './report/report-folder.js'
export { studyFindings } from './report/study-findings.js'
export { studyPage } from './report/study-page.js'
export {
  accuracyTable,
  batchSizeTable,
  controlTable,
  drawsTable,
  shiftTable,
} from './report/study-tables.js'
export type { Table } from './report/table.js'
export { trainingFindings } from './report/training-findings.js'
export { trainingPage } from './report/training-page.js'
export type { ProbeResult, RunResult, ShiftsResult, TestResult, TrainingRun } from './report/training-run.js'
export {
  type SchemeDifference,
  type SchemeSummary,
  summariseTraining,
  type TrainingSummary,
} from './report/training-summary.js'
export {
  probeTable,
  runTable,
  schemeTable,
  trainingShiftTable,
  trainingTables,
} from './report/training-tables.js'
export { writeStudyReport } from './report/write-study-report.js'
export { writeTrainingReport } from './report/write-training-report.js'
export { ClassScatter } from './sharpness/class-scatter.js'
export { type GaussNewtonTrace, gaussNewtonTrace } from './sharpness/gauss-newton-trace.js'
export { type HessianOptions, hessian } from './sharpness/hessian.js'
export {
  compareTraces,
  compareWith,
  type HessianTrace,
  hessianTrace,
  hutchinsonTrace,
  type TraceComparison,
  type TraceEstimate,
  type TraceOptions,
} from './sharpness/hessian-trace.js'
export { type LastLayerTrace, lastLayerTrace } from './sharpness/last-layer-trace.js'
export {
  type Classifier,
  type LabelledRows,
  type NeuralCollapse,
  neuralCollapse,
  type VectorSpread,
} from './sharpness/neural-collapse.js'
export { isPiecewiseLinear } from './sharpness/piecewise-linear.js'
export type { SymmetricOperator } from './sharpness/symmetric-operator.js'
export {
  type CapturedRows,
  type CaptureOptions,
  captureChunks,
  captureInputs,
  captureRows,
} from './shift/capture.js'
export {
  certify,
  type Drift,
  type DriftCertificate,
  DriftSums,
  drift,
  type LinearMap,
} from './shift/certificates.js'
export { type Control, type ControlOptions, controls, controlWeights } from './shift/controls.js'
export {
  type ConvolutionGeometry,
  type ConvolutionLayer,
  convolutionLayer,
  convolutionLayers,
} from './shift/convolution.js'
export {
  convolutionRows,
  groupMatrix,
  outputSize,
  sampleWindows,
  weightOfGroups,
} from './shift/convolution-rows.js'
export { GramAccumulator, rowSpaceOfGram, type StreamOptions, spectrumOfGram } from './shift/gram.js'
export { type LinearLayer, linearLayer, linearLayers } from './shift/last-linear.js'
export { isConvolution, type ShiftableLayer, shiftableLayer } from './shift/layer.js'
export { parseRankPolicy, type RankPolicy, rankPolicyName } from './shift/rank.js'
export {
  type Decomposition,
  defaultTolerance,
  project,
  type RowSpace,
  type RowSpaceOptions,
  rowSpace,
} from './shift/row-space.js'
export { saveShifted } from './shift/save-shifted.js'
export { shiftLayers } from './shift/shift-layers.js'
export { type ShiftOnAllOptions, shiftOnAll } from './shift/shift-on-all.js'
export { type ShiftOptions, shiftOptimum } from './shift/shift-optimum.js'
export type { ShiftRecord } from './shift/shift-record.js'
export {
  type BiasMode,
  biasModes,
  type Solution,
  type SolveOptions,
  type Solver,
  solvers,
  solveShift,
} from './shift/solve.js'
export { cutAt, driftBoundAt, driftBounds, type Spectrum } from './shift/spectrum.js'
export { StreamedSolve } from './shift/streamed-solve.js'
export { runStudy, type StudyOptions, type StudyProgress } from './shift/study.js'
export type { StudyPlanOptions } from './shift/study-plan.js'
export type {
  NormPath,
  PairedTest,
  Spread,
  Study,
  StudyData,
  StudyDrift,
  StudyMethod,
  StudyRow,
  StudyScore,
  StudySpectrum,
  StudySummary,
  StudyVariant,
} from './shift/study-record.js'
export { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from './shift/tsqr.js'
export {
  type AutocastDevice,
  type AutocastDType,
  type AutocastOptions,
  autocast,
  getAutocastDtype,
  isAutocastEnabled,
} from './torch/autocast.js'
export {
  type BackwardOptions,
  backward,
  type GradOptions,
  grad,
  hvp,
  hvpOfGradients,
  jvp,
  vjp,
} from './torch/autograd.js'
export {
  areDeterministicAlgorithmsEnabled,
  backends,
  getFloat32MatmulPrecision,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  type MatmulPrecision,
  setFloat32MatmulPrecision,
  useDeterministicAlgorithms,
} from './torch/backends.js'
export type {
  ArgumentSource,
  DeviceProperties,
  ModuleKind,
  ModuleNode,
  OperatorCall,
} from './torch/binding.js'
export { Complex, complex } from './torch/complex.js'
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './torch/context.js'
export { type CudaDevice, cuda } from './torch/cuda.js'
export type { Device, DType, Layout, MemoryFormat, Scalar, TypedArray } from './torch/dtype.js'
export type { BufferOptions, TensorOptions } from './torch/elements.js'
export { SosError } from './torch/errors.js'
export { Generator, type Seed } from './torch/generator.js'
export { GradientReducer, type GradientReducerOptions } from './torch/gradient-reducer.js'
export type {
  CaptureTreatment,
  ForwardHook,
  ForwardPreHook,
  HookEvent,
  HookHandle,
  ObserveOptions,
  PreHookEvent,
  ReplaceOptions,
  ReplacingHook,
  ReplacingPreHook,
} from './torch/hooks.js'
export { type Index, Slice, slice } from './torch/indexing.js'
export { pendingCalls, setQueueLimit, withSignal } from './torch/lane.js'
export type { NestedArray, NestedValues } from './torch/nested-array.js'
export type { AsyncOperators, Operators, TensorMethods } from './torch/operators.generated.js'
export { callOperator, callOperatorAsync, torch } from './torch/ops.js'
export {
  ProcessGroup,
  type ProcessGroupBackend,
  type ProcessGroupOptions,
  type Reduction,
} from './torch/process-group.js'
export { getRngState, initialSeed, manualSeed, setRngState } from './torch/random.js'
export { type RuntimeInfo, runtimeInfo } from './torch/runtime.js'
export { keep, memoryStats, scope } from './torch/scope.js'
export { ScriptModule, type SharedModule } from './torch/script-module.js'
export { ScriptObject } from './torch/script-object.js'
export type { LoadResult } from './torch/serialization/copy-state.js'
export { readSafetensors, type Safetensors, writeSafetensors } from './torch/serialization/safetensors.js'
export {
  type LoadStateDictOptions,
  loadStateDict,
  type SaveStateDictOptions,
  type StateDict,
  saveStateDict,
} from './torch/serialization/state-dict.js'
export type { TensorAutograd } from './torch/tensor-autograd.js'
export type { TensorConversions } from './torch/tensor-conversions.js'

import './torch/tensor-autograd.js'
import './torch/tensor-conversions.js'

export { Tensor } from './torch/tensor.js'
export { getNumInteropThreads, getNumThreads, setNumInteropThreads, setNumThreads } from './torch/threads.js'
export type { ToOptions } from './torch/to-options.js'
export type { NamedTuple, Value } from './torch/values.js'
export { parseConfig, type TrainingConfig } from './train/config.js'
export { dataParallel, processes } from './train/data-parallel.js'
export { type EvaluationOptions, evaluateDuringTraining } from './train/evaluate-during-training.js'
export type {
  BatchEndEvent,
  BatchEvent,
  CheckpointEvent,
  EpochEndEvent,
  EpochStartEvent,
  ErrorEvent,
  EvaluationEvent,
  ProbeEvent,
  RunEndEvent,
  RunStartEvent,
  ShiftEvent,
  TrainerEvent,
  TrainerEvents,
  WaitingEvent,
} from './train/events.js'
export {
  type ExperimentOptions,
  type ExperimentRun,
  experimentRuns,
  runExperiment,
} from './train/experiment.js'
export { type Mixup, mixup } from './train/mixup.js'
export { type AdamOptions, adam, adamW } from './train/optimizers/adam.js'
export { clipGradients } from './train/optimizers/clip-gradients.js'
export type {
  Closure,
  LossAndGradients,
  Optimizer,
  OptimizerRecipe,
  OptimizerState,
  Target,
} from './train/optimizers/optimizer.js'
export { type AsamOptions, asam, type SamOptions, sam } from './train/optimizers/sam.js'
export { type SgdOptions, sgd } from './train/optimizers/sgd.js'
export type { Parallel } from './train/parallel.js'
export { type TrainingPreset, trainingPresets } from './train/presets.js'
export { type ProbeOptions, probeDuringTraining } from './train/probe-during-training.js'
export type { EpochProbe } from './train/probe-record.js'
export { recordRun } from './train/record-run.js'
export { type RunLine, readRunRecord } from './train/run-record.js'
export {
  type CosineOptions,
  constant,
  cosine,
  multiStep,
  type OneCycleOptions,
  oneCycle,
  type Place,
  type Schedule,
  schedule,
  warmUp,
} from './train/schedules.js'
export { type Scheme, schemes } from './train/schemes.js'
export { type SosOptions, sosDuringTraining } from './train/sos-during-training.js'
export { type CheckpointOptions, type Plugin, Trainer, type TrainerOptions } from './train/trainer.js'
export type { TrainingDataOptions } from './train/training-data.js'
