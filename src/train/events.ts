/** What every event carries. */
export interface TrainerEvent {
  // trainer.ts adds `trainer: Trainer`, so that this file need not import the trainer.
  /** The epoch, counted from 0. */
  readonly epoch: number
  /** The number of steps done since the run began, including those before it was resumed. */
  readonly step: number
}

/**
 * An event for whose listeners the trainer waits. Before it continues, the promise that a listener returns, and all promises that
 * it gives to `waitUntil`, must have settled.
 */
export interface WaitingEvent extends TrainerEvent {
  /**
   * Makes the trainer wait for work that the listener does not return as its promise. If the promise rejects, the run ends with its error.
   *
   * @param work the promise to wait for
   * @throws `ERR_INVALID_ARGUMENT` if it is called after the listener has finished
   */
  waitUntil(work: PromiseLike<unknown>): void
}

/** The run begins: nothing has been done yet, or nothing since the checkpoint. */
export interface RunStartEvent extends WaitingEvent {
  /** Whether the run continues from a checkpoint. */
  readonly resumed: boolean
  /** The number of epochs of the whole run. */
  readonly epochs: number
  readonly batchesPerEpoch: number
}

/** An epoch begins. The event does not come again for an epoch that is resumed in its middle. */
export interface EpochStartEvent extends WaitingEvent {
  /** The learning rate of the epoch's first step. */
  readonly learningRate: number
}

/** A step begins. */
export interface BatchEvent extends WaitingEvent {
  /** The number of the batch in the epoch, counted from 0. */
  readonly batch: number
  /** The learning rate of the step. */
  readonly learningRate: number
}

/** A step was made. */
export interface BatchEndEvent extends BatchEvent {
  /** The images of the step, of all processes together. */
  readonly images: number
  /** The batch's mean loss before the step, in this process. Reading it waits for the accelerator. */
  readonly loss: number
}

/** A checkpoint was written. */
export interface CheckpointEvent extends WaitingEvent {
  /** The path of its file. */
  readonly path: string
}

/** The steps of an epoch are done. */
export interface EpochEndEvent extends WaitingEvent {
  /** The learning rate of the epoch's last step. */
  readonly learningRate: number
  /** The mean cross-entropy over the training images of the epoch. That of each image is from before the step that used it. */
  readonly loss: number
  /**
   * The percentage of the same images whose largest logit was that of their label. With mixup an image counts with the share of the class
   * that has the largest logit.
   */
  readonly accuracy: number
  /** The number of these images. */
  readonly images: number
  /** The time that the steps took in this process. In a resumed epoch it is the time since the run was resumed. */
  readonly seconds: number
}

/** The run is over. */
export interface RunEndEvent extends WaitingEvent {
  /** Why it ended: all epochs are done, a listener called `stop()`, or the signal aborted. */
  readonly reason: 'done' | 'stopped' | 'aborted'
}

/** The run failed: `run()` rejects after the listeners of this event. */
export interface ErrorEvent extends WaitingEvent {
  /** What `run()` rejects with. */
  readonly error: unknown
}

/**
 * The type of each event, by its name. A plugin, also one in a package of its own, adds its events by declaration merging. From then on
 * `trainer.on` and `trainer.tell` know their types.
 *
 * @example
 * ```ts
 * import type { WaitingEvent } from 'optimum-shifting/train'
 *
 * declare module 'optimum-shifting/train' {
 *   interface EventTypes {
 *     pruned: WaitingEvent & { readonly share: number }
 *   }
 * }
 *
 * trainer.on('epochEnd', () => trainer.tell('pruned', { share: 0.1 }))
 * trainer.on('pruned', ({ epoch, share }) => console.log(epoch, share)) // → 0 0.1
 * await trainer.run()
 * ```
 */
export interface EventTypes {
  runStart: RunStartEvent
  epochStart: EpochStartEvent
  batchStart: BatchEvent
  batchEnd: BatchEndEvent
  checkpoint: CheckpointEvent
  epochEnd: EpochEndEvent
  runEnd: RunEndEvent
  error: ErrorEvent
}

/**
 * The listeners of a trainer's events. In the order of a run: `runStart`; `epochStart` and `epochEnd` around each epoch; `batchStart` and
 * `batchEnd` around each step; `runEnd`. The event `checkpoint` comes when a checkpoint was written, and `error` before `run()` rejects.
 * Plugins add events of their own, such as `shift`, `evaluation` and `probe`.
 */
export type TrainerEvents = { [Name in keyof EventTypes]: (event: EventTypes[Name]) => unknown }
