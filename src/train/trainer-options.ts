import { count, type NumberChecks, whole } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { fingerprint } from '../data/internal.js'
import type { OutputKind, OutputOptions } from '../model/index.js'
import type { AutocastDType } from '../torch/index.js'
import type { OptimizerRecipe } from './optimizers/optimizer.js'
import type { Parallel } from './parallel.js'
import { constantRate, type Schedule } from './schedules.js'
import { type TrainingDataOptions, trainingDataNumbers } from './training-data.js'

/** Options of a {@link Trainer}: what a run trains on, and how. */
export interface TrainerOptions extends Omit<TrainingDataOptions, 'shard'>, OutputOptions {
  /** The images to train on. */
  data: Dataset
  /** How often the run goes through the data. */
  epochs: number
  /** The optimizer, such as `sgd({ learningRate: 0.1 })` or `sam(sgd({ learningRate: 0.1 }))`. */
  optimizer: OptimizerRecipe
  /** The course of the learning rate. Default: constant. */
  schedule?: Schedule
  /** The dtype of autocast, for forward passes in mixed precision. Default: no autocast. */
  autocast?: AutocastDType
  /** Whether the model returns logits or probabilities. The first batch is checked for it (`ERR_PROBABILITIES`). Default: logits. */
  outputs?: OutputKind
  /** Where and how often checkpoints are written. Default: no checkpoints. */
  checkpoints?: CheckpointOptions
  /** The processes that train together. Default: this one alone. */
  parallel?: Parallel
}

/** Where and how often a run writes checkpoints. */
export interface CheckpointOptions {
  /** The folder, for this run alone. It is made if it does not exist. */
  folder: string
  /** The number of epochs from one checkpoint to the next; the last epoch always gets one. Default: 1. */
  everyEpochs?: number
  /** How many checkpoints are kept; older ones are removed. Default: 2. */
  keep?: number
}

/** The checks of the numbers in {@link TrainerOptions}. */
export const trainerNumbers: NumberChecks<TrainerOptions> = { ...trainingDataNumbers, epochs: whole(0) }

/** The checks of the numbers in {@link CheckpointOptions}. */
export const checkpointNumbers: NumberChecks<CheckpointOptions> = { everyEpochs: count, keep: count }

/** The options that say where the logits are in the model's output, for everything else that runs the model. */
export function outputOptionsOf({
  output,
  outputs,
}: TrainerOptions): Pick<TrainerOptions, 'output' | 'outputs'> {
  return { ...(output !== undefined && { output }), ...(outputs !== undefined && { outputs }) }
}

/** What defines a run: a run continues from a checkpoint only if this is equal. It reads some of the images. */
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
