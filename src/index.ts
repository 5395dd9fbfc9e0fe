export { SosError } from './base/errors.js'
export { type Augmentation, randomCrop, randomFlip } from './data/augmentation.js'
export { type Cifar100Options, type CifarOptions, cifar10, cifar100 } from './data/cifar.js'
export type { CifarLabels } from './data/cifar-files.js'
export { classNames } from './data/classes.js'
export {
  type Batch,
  batches,
  type Dataset,
  type ImagePlacement,
  type LoadedImages,
  type Pixels,
  type Progress,
  type RunOptions,
  type SkippedImage,
} from './data/dataset.js'
export { Draws } from './data/draws.js'
export { idxFolder } from './data/idx.js'
export type { Decoder } from './data/image.js'
export type { ImageOptions } from './data/image-files.js'
export { imageFolder } from './data/image-folder.js'
export { type ImageNetOptions, imageNet } from './data/imagenet.js'
export { imageNetSynsets } from './data/imagenet-synsets.js'
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
  scoreLogits,
} from './evaluate/metrics.js'
export {
  type CheckpointRecord,
  checkpointRecord,
  classesOf,
  preprocessOf,
  presetNamed,
} from './model/checkpoint-record.js'
export { datasetFor, withClasses } from './model/class-agreement.js'
export {
  type ConvolutionGeometry,
  type ConvolutionLayer,
  convolutionLayer,
  convolutionLayers,
} from './model/layer/convolution.js'
export { type LinearLayer, linearLayers } from './model/layer/linear-layer.js'
export { type OutputLayer, outputLayer } from './model/layer/output-layer.js'
export type { OutputItem, OutputOptions } from './model/model-output.js'
export { isPiecewiseLinear } from './model/piecewise-linear.js'
export { areProbabilities, type OutputKind, outputKinds } from './model/probabilities.js'
export { makeReportFolder } from './report/report-folder.js'
export { studyFindings } from './report/study/study-findings.js'
export { studyPage } from './report/study/study-page.js'
export {
  accuracyTable,
  batchSizeTable,
  controlTable,
  drawsTable,
  shiftTable,
} from './report/study/study-tables.js'
export { writeStudyReport } from './report/study/write-study-report.js'
export type { Table } from './report/table.js'
export type { Paired } from './report/training/paired.js'
export { trainingFindings } from './report/training/training-findings.js'
export { trainingPage } from './report/training/training-page.js'
export type {
  ProbeResult,
  RunResult,
  ShiftsResult,
  TestResult,
  TrainingRun,
} from './report/training/training-run.js'
export {
  type SchemeDifference,
  type SchemeSummary,
  summariseTraining,
  type TrainingSummary,
} from './report/training/training-summary.js'
export {
  probeTable,
  runTable,
  schemeTable,
  trainingShiftTable,
  trainingTables,
} from './report/training/training-tables.js'
export { writeTrainingReport } from './report/training/write-training-report.js'
export { ClassScatter } from './sharpness/class-scatter.js'
export { type GaussNewtonTrace, gaussNewtonTrace } from './sharpness/gauss-newton-trace.js'
export { type HessianOperator, type HessianOptions, hessian } from './sharpness/hessian.js'
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
export type { SymmetricOperator } from './sharpness/symmetric-operator.js'
export { type ApplyOptions, applyShift, type CapturedBatch } from './shift/apply-shift.js'
export {
  type CapturedRows,
  type CaptureOptions,
  captureChunks,
  captureInputs,
  captureRows,
  type Look,
} from './shift/capture.js'
export {
  certifyDrift,
  type Drift,
  type DriftCertificate,
  DriftSums,
  measureDrift,
  type LogitCertificate,
  type Rounding,
} from './shift/certificates.js'
export {
  type Control,
  type ControlOptions,
  type ControlWeights,
  controlNames,
  controlWeights,
} from './shift/controls.js'
export {
  convolutionRows,
  groupMatrix,
  outputSize,
  sampleWindows,
  weightOfGroups,
} from './shift/layer/convolution-rows.js'
export { isConvolution, linearLayer, type ShiftableLayer, shiftableLayer } from './shift/layer/layer.js'
export type { MeasuredPredictions } from './shift/output-watch.js'
export { saveShifted } from './shift/save-shifted.js'
export { type BatchOptions, drawBatch, type ShiftBatch } from './shift/shift-batch.js'
export { shiftLayers } from './shift/shift-layers.js'
export { type ShiftOnAllOptions, shiftOnAll } from './shift/shift-on-all.js'
export { type ShiftOptions, shiftOptimum } from './shift/shift-optimum.js'
export type { ShiftRecord } from './shift/shift-record.js'
export { GramAccumulator, rowSpaceOfGram, type StreamOptions, spectrumOfGram } from './shift/solve/gram.js'
export type { LinearMap } from './shift/solve/linear-map.js'
export { parseRankPolicy, type RankPolicy, rankPolicyName } from './shift/solve/rank.js'
export {
  type Decomposition,
  defaultTolerance,
  projectOnRowSpace,
  type RowSpace,
  type RowSpaceOptions,
  rowSpace,
} from './shift/solve/row-space.js'
export {
  type BiasMode,
  biasModes,
  type Solution,
  type SolveOptions,
  type Solver,
  solvers,
  solveShift,
} from './shift/solve/solve.js'
export { cutAt, driftBoundAt, driftBounds, type Spectrum } from './shift/solve/spectrum.js'
export { StreamedSolve } from './shift/solve/streamed-solve.js'
export { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from './shift/solve/tsqr.js'
export { runStudy, type StudyOptions, type StudyProgress } from './shift/study/study.js'
export type { StudyPlanOptions } from './shift/study/study-plan.js'
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
} from './shift/study/study-record.js'
export {
  type BackwardOptions,
  backward,
  type GradOptions,
  grad,
  hvp,
  hvpOfGradients,
  jvp,
  vjp,
} from './torch/autograd/autograd.js'
export type { TensorAutograd } from './torch/autograd/tensor-autograd.js'
export {
  type AutocastDevice,
  type AutocastDType,
  type AutocastOptions,
  autocast,
  getAutocastDtype,
  isAutocastEnabled,
} from './torch/context/autocast.js'
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './torch/context/context.js'
export type { HookHandle } from './torch/context/hook-handle.js'
export { pendingCalls, setQueueLimit, withSignal } from './torch/context/lane.js'
export { type SDPBackend, sdpaKernel } from './torch/context/sdpa-kernel.js'
export {
  areDeterministicAlgorithmsEnabled,
  backends,
  getFloat32MatmulPrecision,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  type MatmulPrecision,
  setFloat32MatmulPrecision,
  useDeterministicAlgorithms,
} from './torch/device/backends.js'
export { type CudaDevice, cuda } from './torch/device/cuda.js'
export { Generator, type Seed } from './torch/device/generator.js'
export { getRngState, initialSeed, manualSeed, setRngState } from './torch/device/random.js'
export { type RuntimeInfo, runtimeInfo } from './torch/device/runtime.js'
export { GradientReducer, type GradientReducerOptions } from './torch/distributed/gradient-reducer.js'
export {
  ProcessGroup,
  type ProcessGroupBackend,
  type ProcessGroupOptions,
  type Reduction,
} from './torch/distributed/process-group.js'
export type {
  CaptureTreatment,
  ForwardHook,
  ForwardPreHook,
  HookEvent,
  ObserveOptions,
  PreHookEvent,
  ReplaceOptions,
  ReplacingHook,
  ReplacingPreHook,
} from './torch/module/hooks.js'
export { ModuleTree } from './torch/module/module-tree.js'
export { ScriptModule, type SharedModule } from './torch/module/script-module.js'
export { ScriptObject } from './torch/module/script-object.js'
export type {
  ArgumentSource,
  DataFlow,
  DeviceProperties,
  ModuleKind,
  ModuleNode,
  OperatorCall,
} from './torch/native/binding.js'
export type { AsyncOperators, Operators, TensorMethods } from './torch/operators/operators.generated.js'
export { callOperator, callOperatorAsync } from './torch/operators/ops.js'
export type { LoadResult } from './torch/serialization/copy-state.js'
export { readSafetensors, type Safetensors, writeSafetensors } from './torch/serialization/safetensors.js'
export {
  type LoadStateDictOptions,
  loadStateDict,
  type SaveStateDictOptions,
  type StateDict,
  saveStateDict,
} from './torch/serialization/state-dict.js'
export { Complex, complex } from './torch/tensor/complex.js'
export type { Device, DType, Layout, MemoryFormat, Scalar, TypedArray } from './torch/tensor/dtype.js'
export type { BufferOptions, TensorOptions } from './torch/tensor/elements.js'
export { type Index, Slice, slice } from './torch/tensor/indexing.js'
export type { NestedArray, NestedValues } from './torch/tensor/nested-array.js'
export { emptyCache, keepTensor, type MemoryStats, memoryStats, scope } from './torch/tensor/scope.js'
export type { TensorAsValue } from './torch/tensor/tensor-as-value.js'
export type { TensorConversions } from './torch/tensor/tensor-conversions.js'
export { torch } from './torch/torch.js'

import './torch/autograd/tensor-autograd.js'
import './torch/tensor/indexing.js'
import './torch/tensor/tensor-as-value.js'
import './torch/tensor/tensor-conversions.js'

export {
  getNumInteropThreads,
  getNumThreads,
  setNumInteropThreads,
  setNumThreads,
} from './torch/device/threads.js'
export type { NamedTuple, Value } from './torch/operators/values.js'
export { Tensor } from './torch/tensor/tensor.js'
export type { ToOptions } from './torch/tensor/to-options.js'
export { dataParallel, joinProcesses } from './train/data-parallel.js'
export type {
  BatchEndEvent,
  BatchEvent,
  CheckpointEvent,
  EpochEndEvent,
  EpochStartEvent,
  ErrorEvent,
  EventTypes,
  RunEndEvent,
  RunStartEvent,
  TrainerEvent,
  TrainerEvents,
  WaitingEvent,
} from './train/events.js'
export { parseConfig } from './train/experiment/config.js'
export { type Scheme, trainingSchemes, type TrainingConfig } from './train/experiment/config-schema.js'
export {
  type ExperimentOptions,
  type ExperimentRun,
  experimentRuns,
  runExperiment,
} from './train/experiment/experiment.js'
export { type TrainingPreset, trainingPresets } from './train/experiment/presets.js'
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
export {
  type EvaluationEvent,
  type EvaluationOptions,
  evaluateDuringTraining,
} from './train/plugins/evaluate-during-training.js'
export {
  type EpochProbe,
  type ProbeEvent,
  type ProbeOptions,
  probeDuringTraining,
} from './train/plugins/probe-during-training.js'
export { recordRun } from './train/plugins/record-run.js'
export { type RunLine, readRunRecord } from './train/plugins/run-record.js'
export { type ShiftEvent, type SosOptions, sosDuringTraining } from './train/plugins/sos-during-training.js'
export {
  type CosineOptions,
  constantRate,
  cosine,
  multiStep,
  type OneCycleOptions,
  oneCycle,
  type Place,
  type Schedule,
  customSchedule,
  warmUp,
} from './train/schedules.js'
export { type Plugin, Trainer } from './train/trainer.js'
export type { CheckpointOptions, TrainerOptions } from './train/trainer-options.js'
export type { TrainingDataOptions } from './train/training-data.js'
