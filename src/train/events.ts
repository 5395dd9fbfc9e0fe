/** What every event tells. */
export interface TrainerEvent {
  // `trainer: Trainer` is added by trainer.ts, which this file does not know.
  /** From 0. */
  readonly epoch: number
  /** Steps done since the run began, resumed parts included. */
  readonly step: number
}

/** An event that the trainer waits for: what a listener returns, or gives to `waitUntil`, is awaited before it goes on. */
export interface WaitingEvent extends TrainerEvent {
  /**
   * For work that a listener does not return as its promise. A rejection ends the run with its error. Throws
   * `ERR_INVALID_ARGUMENT` when the listener is done.
   */
  waitUntil(work: PromiseLike<unknown>): void
}

export interface RunStartEvent extends WaitingEvent {
  /** Whether the run goes on from a checkpoint. */
  readonly resumed: boolean
  readonly epochs: number
  readonly batchesPerEpoch: number
}

export interface EpochStartEvent extends WaitingEvent {
  readonly learningRate: number
}

export interface BatchEvent extends WaitingEvent {
  /** In the epoch, from 0. */
  readonly batch: number
  readonly learningRate: number
}

export interface BatchEndEvent extends BatchEvent {
  /** Images of the step, of all processes together. */
  readonly images: number
  /** The batch's mean loss before the step, of this process. Reading it waits for an accelerator. */
  readonly loss: number
}

export interface CheckpointEvent extends WaitingEvent {
  readonly path: string
}

export interface EpochEndEvent extends WaitingEvent {
  readonly learningRate: number
  /** Mean cross-entropy over the epoch's training images, each before the step that took it. */
  readonly loss: number
  /**
   * Of the same, in per cent: how often the largest logit was the label's; with mixup, the share of its class.
   */
  readonly accuracy: number
  readonly images: number
  /** Of the epoch's steps in this process: a resumed epoch tells the part since. */
  readonly seconds: number
}

export interface RunEndEvent extends WaitingEvent {
  /** Why it ended: all epochs are done, a listener called `stop()`, or the signal aborted. */
  readonly reason: 'done' | 'stopped' | 'aborted'
}

export interface ErrorEvent extends WaitingEvent {
  readonly error: unknown
}

/**
 * What each event tells, by its name. A plugin adds the events that it tells, and their types are known to `trainer.on` and
 * `trainer.tell` from then on.
 *
 * @example
 * declare module 'optimum-shifting/train' {
 *   interface EventTypes {
 *     pruned: WaitingEvent & { readonly share: number }
 *   }
 * }
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
 * The listeners of a trainer's events. In the order of a run: `runStart`; `epochStart` to `epochEnd` around each epoch, `batchStart` and
 * `batchEnd` around each step; `runEnd`. `checkpoint` comes when one is written, `error` before `run()` rejects. Plugins add theirs, as
 * `shift`, `evaluation` and `probe`.
 */
export type TrainerEvents = { [Name in keyof EventTypes]: (event: EventTypes[Name]) => unknown }
