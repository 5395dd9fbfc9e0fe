/**
 * Training: a loop that reports what happens by events; optimizers and schedules; plugins that listen, such as optimum shifting.
 *
 * @module train
 */

export { dataParallel, joinProcesses } from './data-parallel.js'
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
} from './events.js'
export { parseConfig } from './experiment/config.js'
export { type Scheme, type TrainingConfig, trainingSchemes } from './experiment/config-schema.js'
export {
  type ExperimentOptions,
  type ExperimentRun,
  experimentRuns,
  runExperiment,
} from './experiment/experiment.js'
export { type TrainingPreset, trainingPresets } from './experiment/presets.js'
export { type Mixup, mixup } from './mixup.js'
export { type AdamOptions, adam, adamW } from './optimizers/adam.js'
export { clipGradients } from './optimizers/clip-gradients.js'
export type {
  Closure,
  LossAndGradients,
  Optimizer,
  OptimizerRecipe,
  OptimizerState,
  Target,
} from './optimizers/optimizer.js'
export { type AsamOptions, asam, type SamOptions, sam } from './optimizers/sam.js'
export { type SgdOptions, sgd } from './optimizers/sgd.js'
export type { Parallel } from './parallel.js'
export {
  type EvaluateDuringTrainingOptions,
  type EvaluationEvent,
  evaluateDuringTraining,
} from './plugins/evaluate-during-training.js'
export {
  type EpochProbe,
  type ProbeEvent,
  type ProbeOptions,
  probeDuringTraining,
} from './plugins/probe-during-training.js'
export { recordRun } from './plugins/record-run.js'
export { type RunLine, readRunRecord } from './plugins/run-record.js'
export { type ShiftEvent, type SosOptions, sosDuringTraining } from './plugins/sos-during-training.js'
export {
  type CosineOptions,
  constantRate,
  cosine,
  customSchedule,
  multiStep,
  type OneCycleOptions,
  oneCycle,
  type Place,
  type Schedule,
  warmUp,
} from './schedules.js'
export { type Plugin, Trainer } from './trainer.js'
export type { CheckpointOptions, TrainerOptions } from './trainer-options.js'
export type { TrainingDataOptions } from './training-data.js'
