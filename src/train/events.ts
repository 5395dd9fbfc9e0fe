import type { Evaluation } from '../evaluate/evaluate.js'
import type { ShiftRecord } from '../shift/shift-record.js'
import type { EpochProbe } from './plugins/probe-record.js'
import type { Trainer } from './trainer.js'

/** What every event tells. */
export interface TrainerEvent {
  readonly trainer: Trainer
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

export interface ShiftEvent extends WaitingEvent {
  readonly shift: ShiftRecord
  /** What was done to the optimizer's momentum of the layer. */
  readonly momentum: 'keep' | 'project' | 'zero'
}

export interface EvaluationEvent extends WaitingEvent {
  readonly evaluation: Evaluation
}

export interface ProbeEvent extends WaitingEvent {
  readonly probe: EpochProbe
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
 * The events of a {@link Trainer} in the order of a run. `epochStart` to `batchEnd` lie around each epoch and each step;
 * `evaluation`, `shift` and `probe` tell of results; `checkpoint` comes when one is written, `error` before `run()` rejects.
 *
 * A type and not an interface: typed-emitter takes it as a map.
 */
export type TrainerEvents = {
  runStart: (event: RunStartEvent) => unknown
  epochStart: (event: EpochStartEvent) => unknown
  batchStart: (event: BatchEvent) => unknown
  batchEnd: (event: BatchEndEvent) => unknown
  shift: (event: ShiftEvent) => unknown
  evaluation: (event: EvaluationEvent) => unknown
  probe: (event: ProbeEvent) => unknown
  checkpoint: (event: CheckpointEvent) => unknown
  epochEnd: (event: EpochEndEvent) => unknown
  runEnd: (event: RunEndEvent) => unknown
  error: (event: ErrorEvent) => unknown
}
