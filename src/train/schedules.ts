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

/** A place in a run, at which a schedule gives its factor. */
export interface Place {
  /** The epoch, counted from 0. */
  readonly epoch: number
  /** The batch in the epoch, counted from 0. */
  readonly batch: number
  readonly batchesPerEpoch: number
  /** The number of epochs of the whole run. */
  readonly epochs: number
}

/** The course of the learning rate over a run: a factor on the optimizer's learning rate. It has no state, so a resumed run continues it. */
export interface Schedule {
  /** Its name and numbers. A checkpoint has them, and a run with another schedule does not continue from it. */
  readonly description: Readonly<Record<string, unknown>>
  /** The factor for the step at a place. The same place must always give the same factor. */
  factor(place: Place): number
}

/** A constant learning rate: the factor is always 1. */
export const constantRate: Schedule = { description: { name: 'constant' }, factor: () => 1 }

/**
 * Multiplies the learning rate by `gamma` at each milestone, as `torch.optim.lr_scheduler.MultiStepLR` does.
 *
 * @param milestones epochs, as whole numbers from 1; or fractions of the run, below 1: 0.5 is half of its epochs, rounded down
 * @param gamma the number to multiply by. Default: 0.1, as in PyTorch and in the paper
 * @returns the schedule
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * const schedule = multiStep([0.5, 0.75])
 * console.log(schedule.factor({ epoch: 150, batch: 0, batchesPerEpoch: 782, epochs: 300 })) // → 0.1
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

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** The factor at the end of the run. Default: 0, as in PyTorch. */
  minimum?: number
  /** Whether the factor falls with each batch, or once an epoch as when `CosineAnnealingLR` is stepped so. Default: epoch. */
  per?: 'epoch' | 'batch'
}

/**
 * Lowers the factor from 1 to `minimum` over the run along half a cosine (Loshchilov and Hutter 2017), as
 * `torch.optim.lr_scheduler.CosineAnnealingLR` does with the number of epochs as T_max: minimum + (1 − minimum)·(1 + cos(π·t)) / 2 at the
 * part t of the run.
 *
 * @param options see {@link CosineOptions}. Default: down to 0, once an epoch
 * @returns the schedule
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * console.log(cosine().factor({ epoch: 0, batch: 0, batchesPerEpoch: 10, epochs: 4 })) // → 1
 * console.log(cosine({ minimum: 0.5 }).factor({ epoch: 2, batch: 0, batchesPerEpoch: 10, epochs: 4 })) // → 0.75
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
 * Multiplies a schedule by a factor that rises linearly from `start` to 1 over the first epochs, batch by batch, as
 * `torch.optim.lr_scheduler.LinearLR` does when it is stepped once a batch.
 *
 * @param schedule the schedule to multiply
 * @param epochs how many epochs the rise takes; a fraction is allowed
 * @param start the factor of the first step. Default: 1/3, as in PyTorch
 * @returns the schedule
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * const schedule = warmUp(multiStep([0.5]), 2, 0.1)
 * console.log(schedule.factor({ epoch: 0, batch: 0, batchesPerEpoch: 100, epochs: 10 })) // → 0.1
 * console.log(schedule.factor({ epoch: 2, batch: 0, batchesPerEpoch: 100, epochs: 10 })) // → 1
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

/** Options of {@link oneCycle}. */
export interface OneCycleOptions {
  /** The part of the run in which the factor rises. Default: 0.3, as in PyTorch. */
  rise?: number
  /** The first factor is 1 / divisor. Default: 25, as in PyTorch. */
  divisor?: number
  /** The last factor is the first factor / finalDivisor. Default: 1e4, as in PyTorch. */
  finalDivisor?: number
}

/**
 * Raises the factor from 1/`divisor` to 1 and lowers it to almost 0, along cosines, batch by batch (Smith and Topin 2019), as
 * `torch.optim.lr_scheduler.OneCycleLR` does with the optimizer's learning rate as max_lr and with cycle_momentum=False.
 *
 * @param options see {@link OneCycleOptions}
 * @returns the schedule
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * const schedule = oneCycle({ rise: 0.25, divisor: 4 })
 * console.log(schedule.factor({ epoch: 0, batch: 0, batchesPerEpoch: 8, epochs: 4 })) // → 0.25
 * console.log(schedule.factor({ epoch: 0, batch: 7, batchesPerEpoch: 8, epochs: 4 })) // → 1
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

/**
 * Makes a schedule of a function.
 *
 * @param name a name for the checkpoints: a run with a schedule of another name does not continue from them
 * @param factor gives the factor at a place of the run. It must give the same factor at each call, or a resumed run differs from one that
 *   was not interrupted
 * @returns the schedule
 * @throws `ERR_INVALID_ARGUMENT` if `factor` is not a function
 * @example
 * const halving = customSchedule('halving', ({ epoch }) => 0.5 ** epoch)
 * console.log(halving.factor({ epoch: 3, batch: 0, batchesPerEpoch: 1, epochs: 5 })) // → 0.125
 */
export function customSchedule(name: string, factor: (place: Place) => number): Schedule {
  if (typeof factor !== 'function') {
    throw new SosError('ERR_INVALID_ARGUMENT', `expected a function for factor but received ${typeof factor}`)
  }
  return { description: { name }, factor }
}
