import { finite } from '../base/index.js'
import type { RunState } from './checkpoint.js'
import { EpochSums } from './epoch-sums.js'
import type { Parallel } from './parallel.js'
import type { Schedule } from './schedules.js'

/** How far a run has come: its epoch, batch and step, the sums of the epoch at work, and how often each event was emitted. */
export class RunProgress {
  readonly epochs: number
  readonly events: Record<string, number> = {}
  epoch = 0
  batch = 0
  step = 0
  batchesPerEpoch = 0
  readonly #device: string
  readonly #parallel: Parallel
  readonly #schedule: Schedule
  #sums: EpochSums | null = null

  constructor(epochs: number, schedule: Schedule, device: string, parallel: Parallel) {
    this.epochs = epochs
    this.#schedule = schedule
    this.#device = device
    this.#parallel = parallel
  }

  /** This process's sums over the epoch at work. */
  get sums(): EpochSums {
    this.#sums ??= new EpochSums(this.#device)
    return this.#sums
  }

  /** The sums over the epoch at work, of all processes together. Every process calls this. */
  async sumsOfAll(): Promise<RunState['sums']> {
    const own = this.#sums?.read() ?? { loss: 0, correct: 0, images: 0 }
    const [loss, correct, images] = await this.#parallel.sum([own.loss, own.correct, own.images])
    return { loss: loss!, correct: correct!, images: images! }
  }

  /** Continues from a checkpoint. */
  resume({ epoch, batch, step, sums, events }: RunState): void {
    Object.assign(this, { epoch, batch, step })
    Object.assign(this.events, events)
    // The checkpoint has the sums of all processes. The first process takes them over, and the others begin with zero.
    this.#sums = new EpochSums(this.#device, this.#parallel.rank === 0 ? sums : undefined)
  }

  /** @param batch the number of the batch that a step was done with */
  endStep(batch: number): void {
    this.batch = batch + 1
    this.step++
  }

  endEpoch(): void {
    this.epoch++
    this.batch = 0
    this.#sums?.dispose()
    this.#sums = null
  }

  /**
   * The learning rate of the next step, or of the step `offset` steps after it in the same epoch.
   *
   * @param base the learning rate before the schedule's factor
   * @throws `ERR_INVALID_ARGUMENT` if it is not finite
   */
  learningRate(base: number, offset = 0): number {
    const { epoch, epochs, batchesPerEpoch } = this
    const rate = base * this.#schedule.factor({ epoch, batch: this.batch + offset, batchesPerEpoch, epochs })
    finite('the learning rate, with its schedule,', rate)
    return rate
  }
}
