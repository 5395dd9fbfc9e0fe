import {
  atLeast,
  between,
  count,
  expectList,
  expectObject,
  nonNegative,
  SosError,
  within,
} from '../base/index.js'

/** Where a run is. */
export interface Place {
  /** From 0. */
  readonly epoch: number
  /** In the epoch, from 0. */
  readonly batch: number
  readonly batchesPerEpoch: number
  /** Of the run. */
  readonly epochs: number
}

/** A learning rate over a run, as a factor on the optimizer's. It keeps no state: a resumed run goes on with the same. */
export interface Schedule {
  /** What it is, as a checkpoint tells it: name and numbers. */
  readonly description: Readonly<Record<string, unknown>>
  factor(place: Place): number
}

/** Always 1. */
export const constantRate: Schedule = { description: { name: 'constant' }, factor: () => 1 }

/**
 * The factor is multiplied by `gamma` at each milestone, as by `torch.optim.lr_scheduler.MultiStepLR`.
 *
 * @param milestones epochs from 1, or parts of the run below 1: 0.5 is half its epochs, rounded down
 * @param gamma default: 0.1, as in PyTorch and the paper
 */
export function multiStep(milestones: readonly number[], gamma = 0.1): Schedule {
  expectList('milestones', milestones)
  nonNegative('gamma', gamma)
  for (const milestone of milestones) {
    if (milestone < 1) within(Number.MIN_VALUE, 1)('a milestone', milestone)
    else count('a milestone', milestone)
  }
  return {
    description: { name: 'multiStep', milestones, gamma },
    factor: ({ epoch, epochs }) =>
      gamma **
      milestones.filter((milestone) => epoch >= (milestone < 1 ? Math.floor(milestone * epochs) : milestone))
        .length,
  }
}

export interface CosineOptions {
  /** The last factor. Default: 0, as in PyTorch. */
  minimum?: number
  /** Whether it falls with each batch, or as `CosineAnnealingLR` called once an epoch. Default: epoch. */
  per?: 'epoch' | 'batch'
}

/**
 * Half a cosine from 1 to `minimum` over the run (Loshchilov and Hutter 2017), as `torch.optim.lr_scheduler.CosineAnnealingLR`
 * with the run's epochs as T_max.
 */
export function cosine(options: CosineOptions = {}): Schedule {
  expectObject('options', options)
  const { minimum = 0, per = 'epoch' } = options
  nonNegative('minimum', minimum)
  return {
    description: { name: 'cosine', minimum, per },
    factor: ({ epoch, batch, batchesPerEpoch, epochs }) => {
      const done = (epoch + (per === 'batch' ? batch / batchesPerEpoch : 0)) / epochs
      return minimum + ((1 - minimum) * (1 + Math.cos(Math.PI * done))) / 2
    },
  }
}

/**
 * `schedule` after a linear rise from `start` to 1 over the first epochs, batch by batch, as `torch.optim.lr_scheduler.LinearLR`
 * called once a batch and multiplied with it.
 *
 * @param epochs of the rise; parts of one are allowed
 * @param start the first factor. Default: 1/3, as in PyTorch
 */
export function warmUp(schedule: Schedule, epochs: number, start = 1 / 3): Schedule {
  expectObject('schedule', schedule)
  nonNegative('epochs', epochs)
  between(0, 1)('start', start)
  return {
    description: { name: 'warmUp', epochs, start, schedule: schedule.description },
    factor: (place) => {
      const rise = Math.round(epochs * place.batchesPerEpoch)
      const step = place.epoch * place.batchesPerEpoch + place.batch
      const part = step >= rise ? 1 : step / rise
      return schedule.factor(place) * (start + (1 - start) * part)
    },
  }
}

export interface OneCycleOptions {
  /** The part of the run in which it rises. Default: 0.3, as in PyTorch. */
  rise?: number
  /** 1 / the first factor. Default: 25, as in PyTorch. */
  divisor?: number
  /** The first factor / the last one. Default: 1e4, as in PyTorch. */
  finalDivisor?: number
}

/**
 * From 1/`divisor` up to 1 and down to almost nothing, by cosines, batch by batch (Smith and Topin 2019), as
 * `torch.optim.lr_scheduler.OneCycleLR` with the optimizer's learning rate as max_lr and cycle_momentum=False.
 */
export function oneCycle(options: OneCycleOptions = {}): Schedule {
  expectObject('options', options)
  const { rise = 0.3, divisor = 25, finalDivisor = 1e4 } = options
  within(0, 1)('rise', rise)
  atLeast(1)('divisor', divisor)
  atLeast(1)('finalDivisor', finalDivisor)
  return {
    description: { name: 'oneCycle', rise, divisor, finalDivisor },
    factor: ({ epoch, batch, batchesPerEpoch, epochs }) => {
      const steps = epochs * batchesPerEpoch
      const step = epoch * batchesPerEpoch + batch
      const [first, last] = [1 / divisor, 1 / divisor / finalDivisor]
      const top = rise * steps - 1
      return step < top ? onCosine(first, 1, step / top) : onCosine(1, last, (step - top) / (steps - 1 - top))
    },
  }
}

/** Half a cosine from one value to another. */
function onCosine(from: number, to: number, part: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * part))) / 2
}

/** A function of the place as a schedule; it must give the same at every call, or a resumed run differs. */
export function customSchedule(name: string, factor: (place: Place) => number): Schedule {
  if (typeof factor !== 'function') {
    throw new SosError('ERR_INVALID_ARGUMENT', `expected a function for factor but received ${typeof factor}`)
  }
  return { description: { name }, factor }
}
