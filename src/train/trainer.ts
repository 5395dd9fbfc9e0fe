import { EventEmitter } from 'node:events'
import { checkNumbers, expectObject, finite, SosError } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { expectDataset } from '../data/internal.js'
import { inputDtype, trainedParameters } from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { expectPlace } from './checkpoint.js'
import { CheckpointFolder } from './checkpoint-folder.js'
import { checkpointTensors, restoreTensors } from './checkpoint-tensors.js'
import { meansOf } from './epoch-sums.js'
import type { EventTypes, RunEndEvent, TrainerEvents, WaitingEvent } from './events.js'
import { isDueAfter } from './every-epochs.js'
import { callListeners } from './listeners.js'
import type { Optimizer } from './optimizers/optimizer.js'
import { alone, inTheFirst, type Parallel } from './parallel.js'
import { RunProgress } from './run-progress.js'
import { RunRequests } from './run-requests.js'
import { constantRate } from './schedules.js'
import { seedAt } from './seeds.js'
import { checkpointNumbers, outputOptionsOf, type TrainerOptions, trainerNumbers } from './trainer-options.js'
import { type TrainingBatch, TrainingData } from './training-data.js'
import { trainingStep } from './training-step.js'
import { claimWeights } from './weight-claims.js'

declare module './events.js' {
  interface TrainerEvent {
    /** The trainer that tells the event. */
    readonly trainer: Trainer
  }
}

/**
 * The interface of typed-emitter. A plain import of its default export means one thing to TypeScript's `nodenext` and another to `bundler`;
 * `require` means the same to both. The build puts its declarations beside this file's (scripts/setup/typed_emitter.mjs).
 */
type TypedEmitter = import('typed-emitter', { with: { 'resolution-mode': 'require' }}).default<TrainerEvents>

/** Adds listeners to a trainer. */
export type Plugin = (trainer: Trainer) => void

/**
 * Trains a classifier by its mean cross-entropy, and reports what happens by events: {@link TrainerEvents} lists them in their
 * order. The listeners of an event run one after another, and the trainer waits for each: for the promise that it returns, and for
 * those that it gives to `waitUntil`. A listener may change the weights and the learning rate, and may stop the run.
 *
 * A run seeds libtorch's own generator (`torch.manualSeed`) with its seed, since operators such as dropout draw from it. So the result of
 * a run depends on the model, the options and the number of threads alone. A run that was stopped or killed, and is resumed from its
 * checkpoint, ends with the same weights, bit for bit, as one that was not interrupted. This holds on the CPU; on an accelerator it
 * holds with `torch.useDeterministicAlgorithms(true)`, if each operator has a deterministic implementation.
 *
 * @example
 * const trainer = new Trainer(model, { data: train, epochs: 1, batchSize: 64, optimizer: sgd({ learningRate: 0.01 }) })
 * trainer.use(sosDuringTraining({ batchSize: 50 }))
 * trainer.on('epochEnd', ({ epoch, step }) => console.log(epoch, step)) // → 0 4
 * await trainer.run()
 */
export class Trainer extends (EventEmitter as new () => TypedEmitter) {
  /** The model that is trained, in place. */
  readonly model: ScriptModule
  /** The images to train on. */
  readonly data: Dataset
  /** The number of epochs of the whole run. */
  readonly epochs: number
  /** The device of the model. */
  readonly device: string
  /** The seed of everything that the run draws. */
  readonly seed: number
  /** Which item of the model's output has the logits, and whether it has logits or probabilities. */
  readonly outputOptions: Pick<TrainerOptions, 'output' | 'outputs'>
  /** The processes that train together. */
  readonly parallel: Parallel
  /** What listeners want to have in the checkpoints: any JSON, under names of their own. `resume` brings it back. */
  readonly extra: Record<string, unknown> = {}
  /** The learning rate before the schedule's factor. A change takes effect with the next step. */
  learningRate: number

  readonly #options: TrainerOptions
  readonly #parameters: readonly Tensor[]
  readonly #optimizer: Optimizer
  readonly #checkpoints: CheckpointFolder | null
  readonly #progress: RunProgress
  readonly #requests = new RunRequests()
  #resumed = false

  /**
   * @param model the classifier, a trainable TorchScript module. It is trained in place and keeps its device and dtype
   * @param options the data, the number of epochs, the optimizer, and everything else that defines the run
   * @throws `ERR_FROZEN` for a frozen model, `ERR_NO_GRADIENT` for a model without parameters to train, `ERR_INVALID_ARGUMENT`
   */
  constructor(model: ScriptModule, options: TrainerOptions) {
    super()
    expectModule('model', model)
    expectObject('options', options)
    expectDataset('data', options.data)
    const { data, epochs, optimizer, schedule = constantRate, checkpoints } = options
    const { device = model.device, seed = 0, parallel = alone } = options
    checkNumbers(options, trainerNumbers)
    checkNumbers(checkpoints ?? {}, checkpointNumbers)
    finite('optimizer.learningRate', optimizer.learningRate)
    const parameters = trainedParameters(model)
    this.model = model
    this.data = data
    this.epochs = epochs
    this.device = device
    this.seed = seed
    this.parallel = parallel
    this.learningRate = optimizer.learningRate
    this.outputOptions = outputOptionsOf(options)
    this.#options = options
    this.#parameters = [...parameters.values()]
    this.#optimizer = optimizer.create({ parameters, buffers: model.namedBuffers() })
    this.#checkpoints = checkpoints ? new CheckpointFolder(options, checkpoints) : null
    this.#progress = new RunProgress(epochs, schedule, device, parallel)
  }

  /**
   * Lets plugins add their listeners.
   *
   * @returns this trainer
   */
  use(...plugins: readonly Plugin[]): this {
    for (const plugin of plugins) plugin(this)
    return this
  }

  /** Ends the run after the step at work, with a checkpoint if the trainer writes any. */
  stop(): void {
    this.#requests.stop()
  }

  /**
   * Asks for a checkpoint after the step at work.
   *
   * @throws `ERR_INVALID_ARGUMENT` if the trainer has no folder for checkpoints
   */
  requestCheckpoint(): void {
    this.#expectCheckpoints()
    this.#requests.checkpoint()
  }

  /**
   * Emits an event in the way of the trainer itself: the listeners are called one after another, and each is awaited. It is for plugins
   * that have a result, for example `trainer.tell('evaluation', { evaluation })`. The inherited `emit` does not wait.
   *
   * @param name the name of the event
   * @param fields what the event carries beside `trainer`, `epoch`, `step` and `waitUntil`, which are added
   * @throws whatever a listener throws, or the reason with which a promise rejects that it asked to wait for
   */
  async tell<E extends keyof TrainerEvents>(
    name: E,
    fields: Omit<EventTypes[E], keyof WaitingEvent>,
  ): Promise<void> {
    const { events, epoch, step } = this.#progress
    events[name] = (events[name] ?? 0) + 1
    const where = { trainer: this, epoch, step }
    const event = Object.defineProperties(where, Object.getOwnPropertyDescriptors(fields))
    await callListeners(this.rawListeners(name), this, event)
  }

  /** The optimizer's own tensors, by names such as `momentum.fc.weight`. They are its memory, not copies. */
  optimizerState(): ReadonlyMap<string, Tensor> {
    return this.#optimizer.state()
  }

  /**
   * Goes back to the last checkpoint in the folder of the checkpoints, if there is one. Call it before `run`.
   *
   * @returns whether there was a checkpoint
   * @throws `ERR_INVALID_ARGUMENT` if the trainer has no folder for checkpoints, `ERR_CHECKPOINT` if the checkpoint was made with other
   *   options or other data, `ERR_DAMAGED_FILE`
   */
  async resume(): Promise<boolean> {
    const checkpoint = await this.#expectCheckpoints().read(this.device)
    if (checkpoint === null) return false
    const { state, tensors } = checkpoint
    restoreTensors(tensors, this.model, this.#optimizer, this.device)
    this.#progress.resume(state)
    // The checkpoint has the random state of the first process; the others draw from a seed of their own.
    const { rank } = this.parallel
    if (rank > 0) torch.manualSeed(seedAt(this.seed, 'model', state.step, rank))
    this.learningRate = state.learningRate
    Object.assign(this.extra, state.extra)
    this.#resumed = true
    return true
  }

  /**
   * Trains until all epochs are done, a listener calls `stop`, or the signal aborts. In the last two cases the step at work is finished,
   * and a checkpoint is written if the trainer writes any.
   *
   * @param options `signal` ends the run
   * @returns why the run ended: `done`, `stopped` or `aborted`
   * @throws whatever a listener throws; `ERR_LOCKED` if another run uses the folder of the checkpoints; `ERR_CHECKPOINT`, `ERR_LABELS`,
   *   `ERR_OUTPUT_SHAPE`, `ERR_DATASET`; `ERR_NOT_FINITE` if the loss is NaN or infinite in the first batch or over an epoch; `ERR_BUSY` if
   *   another trainer is at work on the weights, or if an evaluation, capture or shift of the model is still running when a step begins
   */
  async run({ signal }: { signal?: AbortSignal } = {}): Promise<RunEndEvent['reason']> {
    const { rank, size } = this.parallel
    using _claim = claimWeights(this.model)
    const modes = this.model.modes()
    const data = await TrainingData.open(this.data, {
      ...this.#options,
      device: this.device,
      dtype: this.#options.dtype ?? inputDtype(this.model),
      shard: { rank, size },
    })
    const progress = this.#progress
    progress.batchesPerEpoch = data.batchesPerEpoch
    try {
      expectPlace(progress, this.epochs, data.batchesPerEpoch)
      await inTheFirst(this.parallel, async () => this.#checkpoints?.begin())
      if (!this.#resumed) torch.manualSeed(seedAt(this.seed, 'model', 0, rank))
      await this.parallel.broadcast([...this.model.stateDict().values()])
      const { epochs } = this
      await this.tell('runStart', { resumed: this.#resumed, epochs, batchesPerEpoch: data.batchesPerEpoch })
      let ended = (await this.#requests.agree(this.parallel, signal)).end
      while (progress.epoch < this.epochs && !ended) ended = await this.#epoch(data, signal)
      const reason = progress.epoch >= this.epochs ? 'done' : signal?.aborted ? 'aborted' : 'stopped'
      await this.tell('runEnd', { reason })
      return reason
    } catch (error) {
      await this.tell('error', { error }).catch((second) => {
        process.emitWarning(`A listener of the event 'error' failed itself: ${second}`, {
          code: 'SOS_LISTENER',
        })
      })
      throw error
    } finally {
      this.#checkpoints?.end()
      data.dispose()
      await this.model.giveBack(modes)
    }
  }

  /** @returns whether the run is to end */
  async #epoch(data: TrainingData, signal?: AbortSignal): Promise<boolean> {
    const progress = this.#progress
    const { epoch } = progress
    const start = performance.now()
    if (progress.batch === 0) await this.tell('epochStart', { learningRate: this.#rate() })
    const { everyEpochs = 1 } = this.#options.checkpoints ?? {}
    let due = isDueAfter(epoch, everyEpochs, this.epochs)
    for await (const batch of data.epoch(epoch, progress.batch)) {
      await this.#step(batch)
      const asked = await this.#requests.agree(this.parallel, signal)
      const last = progress.batch === data.batchesPerEpoch
      if (asked.end || (asked.checkpoint && !last)) await this.#writeCheckpoint()
      if (asked.end) return true
      due ||= asked.checkpoint && last
    }
    const seconds = (performance.now() - start) / 1000
    const learningRate = this.#rate(-1)
    const means = meansOf(await progress.sumsOfAll(), `epoch ${epoch}`, learningRate)
    await this.tell('epochEnd', { learningRate, ...means, seconds })
    progress.endEpoch()
    if (due) await this.#writeCheckpoint()
    return (await this.#requests.agree(this.parallel, signal)).end
  }

  async #step(batch: TrainingBatch): Promise<void> {
    const learningRate = this.#rate()
    const where = { batch: batch.number, learningRate }
    await this.tell('batchStart', where)
    await scope(async () => {
      const run = { model: this.model, optimizer: this.#optimizer, parameters: this.#parameters }
      const loss = await trainingStep({ ...run, options: this.#options }, batch, learningRate, this.#progress)
      this.#progress.endStep(batch.number)
      const read = () => loss.item()
      await this.tell('batchEnd', {
        ...where,
        images: batch.whole,
        get loss() {
          return read()
        },
      })
    })
  }

  async #writeCheckpoint(): Promise<void> {
    if (this.#checkpoints === null) return
    const sums = await this.#progress.sumsOfAll()
    if (this.parallel.rank !== 0) return
    const { epoch, batch, step, events } = this.#progress
    const { learningRate, extra } = this
    const state = { epoch, batch, step, learningRate, sums, events, extra }
    const tensors = checkpointTensors(this.model, this.#optimizer, this.device)
    const path = await this.#checkpoints.write(state, tensors)
    await this.tell('checkpoint', { path })
  }

  /** The learning rate of the next step, or of one beside it. */
  #rate(offset = 0): number {
    return this.#progress.learningRate(this.learningRate, offset)
  }

  #expectCheckpoints(): CheckpointFolder {
    if (this.#checkpoints !== null) return this.#checkpoints
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected a trainer with a folder for checkpoints but the option `checkpoints` was not given',
    )
  }
}
