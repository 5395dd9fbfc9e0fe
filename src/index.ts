/**
 * The functions that most programs begin with. Each folder has a front door of its own with all that it offers: `optimum-shifting/torch`, `/data`, `/model`,
 * `/evaluate`, `/shift`, `/sharpness`, `/train` and `/report`.
 *
 * @module optimum-shifting
 */

// PyTorch: tensors, every operator, TorchScript, derivatives (`optimum-shifting/torch`)

export type {
  Device,
  DType,
  ForwardHook,
  ForwardPreHook,
  HookEvent,
  HookHandle,
  Index,
  PreHookEvent,
  RuntimeInfo,
  Scalar,
  StateDict,
  TensorOptions,
  Value,
} from './torch/index.js'
export {
  complex,
  hvp,
  keepTensor,
  loadStateDict,
  memoryStats,
  runtimeInfo,
  ScriptModule,
  SosError,
  saveStateDict,
  scope,
  slice,
  Tensor,
  torch,
} from './torch/index.js'

// Labelled images (`optimum-shifting/data`)

export type { Dataset, Preprocess, Progress, Sampling } from './data/index.js'
export {
  cifar10,
  cifar100,
  idxFolder,
  imageFolder,
  imageNet,
  openDataset,
  presets,
  randomCrop,
  randomFlip,
  sampleIndices,
  subset,
} from './data/index.js'

// What a classifier is (`optimum-shifting/model`)

export type { CheckpointRecord, OutputKind, OutputLayer } from './model/index.js'
export { checkpointRecord, datasetFor, outputLayer, preprocessOf, withClasses } from './model/index.js'

// Its accuracy (`optimum-shifting/evaluate`)

export type { EvaluateOptions, Evaluation, McNemar } from './evaluate/index.js'
export { evaluate, evaluateAll, mcnemar } from './evaluate/index.js'

// Optimum shifting after training (`optimum-shifting/shift`)

export { writeStudyReport } from './report/index.js'
export type { RankPolicy, ShiftOptions, ShiftRecord, Study, StudyOptions } from './shift/index.js'
export {
  captureInputs,
  runStudy,
  saveShifted,
  shiftLayers,
  shiftOnAll,
  shiftOptimum,
} from './shift/index.js'

// How sharp the minimum is (`optimum-shifting/sharpness`)

export type {
  HessianTrace,
  NeuralCollapse,
  PerSampleComparison,
  PerSampleTrace,
  TraceOptions,
} from './sharpness/index.js'
export {
  comparePerSampleTraces,
  hessian,
  hessianTrace,
  lastLayerTrace,
  neuralCollapse,
  perSampleTrace,
} from './sharpness/index.js'

// Training, and shifting during it (`optimum-shifting/train`)

export type {
  EventTypes,
  OptimizerRecipe,
  Plugin,
  Schedule,
  SosOptions,
  TrainerEvents,
  TrainerOptions,
  WaitingEvent,
} from './train/index.js'
export {
  adam,
  adamW,
  asam,
  cosine,
  evaluateDuringTraining,
  mixup,
  multiStep,
  oneCycle,
  probeDuringTraining,
  recordRun,
  sam,
  sgd,
  sosDuringTraining,
  Trainer,
  warmUp,
} from './train/index.js'
