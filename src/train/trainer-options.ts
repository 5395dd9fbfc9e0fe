import { count, type NumberChecks, whole } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { fingerprint } from '../data/internal.js'
import type { OutputKind, OutputOptions } from '../model/index.js'
import type { AutocastDType } from '../torch/index.js'
import type { OptimizerRecipe } from './optimizers/optimizer.js'
import type { Parallel } from './parallel.js'
import { constantRate, type Schedule } from './schedules.js'
import { type TrainingDataOptions, trainingDataNumbers } from './training-data.js'

export interface TrainerOptions extends Omit<TrainingDataOptions, 'shard'>, OutputOptions {
  /** The images to train on. */
  data: Dataset
  epochs: number
  optimizer: OptimizerRecipe
  /** Of the learning rate. Default: constant. */
  schedule?: Schedule
  /** Forwards in mixed precision. Default: none. */
  autocast?: AutocastDType
  /** What the model returns; others are refused at the first batch (`ERR_PROBABILITIES`). Default: logits. */
  outputs?: OutputKind
  /** Where checkpoints go. Default: none are written. */
  checkpoints?: CheckpointOptions
  /** The processes that train together. Default: this one alone. */
  parallel?: Parallel
}

export interface CheckpointOptions {
  folder: string
  /** Default: 1. */
  everyEpochs?: number
  /** How many are kept. Default: 2. */
  keep?: number
}

/** Of the numbers in {@link TrainerOptions}. */
export const trainerNumbers: NumberChecks<TrainerOptions> = { ...trainingDataNumbers, epochs: whole(0) }

/** Of the numbers in {@link CheckpointOptions}. */
export const checkpointNumbers: NumberChecks<CheckpointOptions> = { everyEpochs: count, keep: count }

/** What of them tells where the logits are, for what else runs the model. */
export function outputOptionsOf({
  output,
  outputs,
}: TrainerOptions): Pick<TrainerOptions, 'output' | 'outputs'> {
  return { ...(output !== undefined && { output }), ...(outputs !== undefined && { outputs }) }
}

/** What a checkpoint must have been made by to be continued. Some of the images are read for it. */
export async function describeRun(options: TrainerOptions) {
  const { data, epochs, batchSize, optimizer, schedule = constantRate, parallel, autocast = null } = options
  const {
    outputs = 'logits',
    output,
    seed = 0,
    augment = [],
    mixup,
    dropLast = false,
    channelsLast = false,
  } = options
  return {
    data: { name: data.name, size: data.size, ...(await fingerprint(data)) },
    epochs,
    batchSize,
    seed,
    augment: augment.map(({ description }) => description),
    mixup: mixup?.description ?? null,
    dropLast,
    channelsLast,
    autocast,
    outputs,
    output: output === undefined ? null : String(output),
    optimizer: { learningRate: optimizer.learningRate, ...optimizer.description },
    schedule: schedule.description,
    processes: parallel?.size ?? 1,
  }
}
