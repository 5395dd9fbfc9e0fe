import { type Augmentation, randomCrop, randomFlip } from '../../data/index.js'
import { mixup } from '../mixup.js'
import { adam, adamW } from '../optimizers/adam.js'
import { clipGradients } from '../optimizers/clip-gradients.js'
import type { OptimizerRecipe } from '../optimizers/optimizer.js'
import { asam, sam } from '../optimizers/sam.js'
import { sgd } from '../optimizers/sgd.js'
import { constantRate, cosine, multiStep, oneCycle, type Schedule, warmUp } from '../schedules.js'
import type { TrainerOptions } from '../trainer-options.js'
import type { ScheduleConfig, Scheme, TrainingConfig } from './config-schema.js'

/** The options of a trainer that a configuration determines. */
export function trainerOptions(
  config: TrainingConfig,
  scheme: Scheme,
  seed: number,
): Omit<TrainerOptions, 'data' | 'checkpoints' | 'parallel'> {
  const { epochs, batchSize, device, channelsLast, dropLast, autocast, outputs, output } = config
  return {
    epochs,
    batchSize,
    seed,
    device,
    channelsLast,
    dropLast,
    optimizer: optimizerOf(config, scheme),
    schedule: scheduleOf(config.schedule),
    augment: augmentationsOf(config.augment),
    ...(config.augment.mixup && { mixup: mixup(config.augment.mixup) }),
    ...(autocast && { autocast }),
    ...(outputs && { outputs }),
    ...(output !== undefined && { output }),
  }
}

function optimizerOf({ optimizer, clipNorm, sam: ascent }: TrainingConfig, scheme: Scheme): OptimizerRecipe {
  const base =
    optimizer.name === 'sgd' ? sgd(optimizer) : optimizer.name === 'adam' ? adam(optimizer) : adamW(optimizer)
  const clipped = clipNorm === undefined ? base : clipGradients(base, clipNorm)
  if (!scheme.startsWith('sam')) return clipped
  return ascent.adaptive === true ? asam(clipped, ascent) : sam(clipped, ascent)
}

function scheduleOf(config: ScheduleConfig = { name: 'constant' }): Schedule {
  const { milestones = [0.5, 0.75], gamma, minimum, warmUp: epochs } = config
  const made = {
    constant: () => constantRate,
    multiStep: () => multiStep(milestones, gamma),
    cosine: () => cosine(minimum === undefined ? {} : { minimum }),
    oneCycle: () => oneCycle(),
  }[config.name]()
  return epochs === undefined ? made : warmUp(made, epochs)
}

function augmentationsOf({ flip = false, crop }: TrainingConfig['augment']): Augmentation[] {
  return [...(crop === undefined ? [] : [randomCrop(crop)]), ...(flip ? [randomFlip()] : [])]
}
