import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { checkNumbers, expectObject, finite, SosError } from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { expectDataset } from '../data/internal.js'
import { inputDtype, trainedParameters } from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { batchGradients } from './training-step.js'
import { expectPlace, type RunState } from './checkpoint.js'
import { CheckpointFolder } from './checkpoint-folder.js'
import { EpochSums, meansOf } from './epoch-sums.js'
import type { EventTypes, RunEndEvent, TrainerEvent, TrainerEvents, WaitingEvent } from './events.js'
import { callListeners } from './listeners.js'
import type { Optimizer } from './optimizers/optimizer.js'
import { alone, inTheFirst, type Parallel } from './parallel.js'
import { capture, restore } from './checkpoint-tensors.js'
import { constantRate, type Schedule } from './schedules.js'
import { seedAt } from './seeds.js'
import { checkpointNumbers, outputOptionsOf, type TrainerOptions, trainerNumbers } from './trainer-options.js'
import { type TrainingBatch, TrainingData } from './training-data.js'
import { claimWeights } from './weight-claims.js'

declare module './events.js' {
  interface TrainerEvent {
    readonly trainer: Trainer
  }
}

/** Adds listeners to a trainer. */
export type Plugin = (trainer: Trainer) => void

/**
 * Trains a classifier by its mean cross-entropy. What happens is told by events, in the order of {@link TrainerEvents}; an
 * event's listeners run one after another, each awaited (the promise that it returns, or gives to `waitUntil`), and may change
 * the weights, the learning rate, or stop the run.
 *
 * What its operators draw, as dropout does, comes from libtorch's own source, which a run seeds (`manualSeed`) from its seed.
 * What a run computes depends on the model, the options and the number of threads alone: one that was ended, or killed, and
 * resumed from its checkpoint gives the same weights to the bit as one that was not (on the CPU, or with
 * `useDeterministicAlgorithms(true)` where an operator has no other way).
 *
 * @example
 * const trainer = new Trainer(model, { data: train, epochs: 15, batchSize: 64, optimizer: sgd({ learningRate: 0.1 }) })
 * trainer.use(sosDuringTraining({ batchSize: 300 }))
 * trainer.on('epochEnd', ({ epoch, loss, accuracy }) => console.log(epoch, loss, accuracy))
 * await trainer.run()
 */
export class Trainer extends (EventEmitter as new () => TypedEmitter.default<TrainerEvents>) {
  readonly model: ScriptModule
  readonly data: Dataset
  readonly epochs: number
  readonly device: string
  readonly seed: number
  /** What of the model's output the loss is of, and what that is. */
  readonly outputOptions: Pick<TrainerOptions, 'output' | 'outputs'>
  readonly parallel: Parallel
  /** What listeners keep in the checkpoints: any JSON, by their names. */
  readonly extra: Record<string, unknown> = {}
  /** Before the schedule's factor; a change holds from the next step on. */
  learningRate: number

  readonly #options: TrainerOptions
  readonly #target: { parameters: Map<string, Tensor>; buffers: Map<string, Tensor> }
  readonly #optimizer: Optimizer
  readonly #schedule: Schedule
  readonly #checkpoints: CheckpointFolder | null
  readonly #events: Record<string, number> = {}
  #place = { epoch: 0, batch: 0, step: 0 }
  #sums: EpochSums | null = null
  #batchesPerEpoch = 0
  #resumed = false
  #stopAsked = false
  #checkpointAsked = false

  /**
   * @param model is trained in place; it keeps its device and dtype
   * @throws `ERR_FROZEN`, `ERR_NO_GRADIENT` for one that has no parameters to train, `ERR_INVALID_ARGUMENT`
   */
  constructor(model: ScriptModule, options: TrainerOptions) {
    super()
    expectModule('model', model)
    expectObject('options', options)
    expectDataset('data', options.data)
    const {
      data,
      epochs,
      optimizer,
      schedule = constantRate,
      device = model.device,
      seed = 0,
      parallel = alone,
    } = options
    checkNumbers(options, trainerNumbers)
    checkNumbers(options.checkpoints ?? {}, checkpointNumbers)
    finite('optimizer.learningRate', optimizer.learningRate)
    const parameters = trainedParameters(model)
    this.model = model
    this.data = data
    this.epochs = epochs
    this.device = device
    this.seed = seed
    this.parallel = parallel
    this.learningRate = optimizer.learningRate
    this.#options = options
    this.outputOptions = outputOptionsOf(options)
    this.#target = { parameters, buffers: model.namedBuffers() }
    this.#optimizer = optimizer.create(this.#target)
    this.#schedule = schedule
    this.#checkpoints = options.checkpoints ? new CheckpointFolder(options, options.checkpoints) : null
  }

  /** Lets plugins add their listeners. */
  use(...plugins: readonly Plugin[]): this {
    for (const plugin of plugins) plugin(this)
    return this
  }

  /** Ends the run after the step at work, with a checkpoint where these are written. */
  stop(): void {
    this.#stopAsked = true
  }

  /** Asks for a checkpoint after the step at work. Throws `ERR_INVALID_ARGUMENT` where there is no folder for it. */
  requestCheckpoint(): void {
    this.#checkpointFolder()
    this.#checkpointAsked = true
  }

  /**
   * Tells an event as the trainer itself does: its listeners are called one after another, each awaited. For plugins that have
   * a result, as `trainer.tell('evaluation', { evaluation })`; `emit` does not wait.
   *
   * @throws what a listener threw or what it asked to wait for rejected with
   */
  async tell<E extends keyof TrainerEvents>(
    name: E,
    fields: Omit<EventTypes[E], keyof WaitingEvent>,
  ): Promise<void> {
    this.#events[name] = (this.#events[name] ?? 0) + 1
    const told = Object.defineProperties(this.#where(), Object.getOwnPropertyDescriptors(fields))
    await callListeners(this.rawListeners(name), this, told)
  }

  /** The optimizer's tensors, such as `momentum.fc.weight`: its own memory. */
  optimizerState(): ReadonlyMap<string, Tensor> {
    return this.#optimizer.state()
  }

  /**
   * Takes up the last checkpoint in the folder of the checkpoints.
   *
   * @returns whether there was one
   * @throws `ERR_INVALID_ARGUMENT` where there is no folder for them, `ERR_CHECKPOINT` for one of another run or of other data,
   *   `ERR_DAMAGED_FILE`
   */
  async resume(): Promise<boolean> {
    const checkpoint = await this.#checkpointFolder().read(this.device)
    if (checkpoint === null) return false
    const { state, tensors } = checkpoint
    restore(tensors, this.model, this.#optimizer, this.device)
    this.#place = { epoch: state.epoch, batch: state.batch, step: state.step }
    // The first process keeps what all had: the sums are added up again.
    this.#sums = new EpochSums(this.device, this.parallel.rank === 0 ? state.sums : undefined)
    if (this.parallel.rank > 0) torch.manualSeed(seedAt(this.seed, 'model', state.step, this.parallel.rank))
    this.learningRate = state.learningRate
    Object.assign(this.extra, state.extra)
    Object.assign(this.#events, state.events)
    this.#resumed = true
    return true
  }

  /**
   * Trains until all epochs are done, a listener stops it, or `signal` aborts: then after the step at work, with a checkpoint.
   *
   * @throws what a listener threw, `ERR_LOCKED` where another run writes its checkpoints there, `ERR_CHECKPOINT`, `ERR_LABELS`, `ERR_OUTPUT_SHAPE`, `ERR_DATASET`, `ERR_NOT_FINITE` where the loss of an epoch
   * is no number, `ERR_BUSY` where another trainer is at work on the weights, or an evaluation, capture or shift of the model still
   * goes on when a step begins
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
    this.#batchesPerEpoch = data.batchesPerEpoch
    try {
      expectPlace(this.#place, this.epochs, data.batchesPerEpoch)
      await inTheFirst(this.parallel, async () => this.#checkpoints?.begin())
      if (!this.#resumed) torch.manualSeed(seedAt(this.seed, 'model', 0, rank))
      await this.parallel.broadcast([...this.model.stateDict().values()])
      await this.tell('runStart', {
        resumed: this.#resumed,
        epochs: this.epochs,
        batchesPerEpoch: data.batchesPerEpoch,
      })
      let ended = (await this.#agree(signal)).end
      while (this.#place.epoch < this.epochs && !ended) ended = await this.#epoch(data, signal)
      const reason = this.#place.epoch >= this.epochs ? 'done' : signal?.aborted ? 'aborted' : 'stopped'
      await this.tell('runEnd', { reason })
      return reason
    } catch (error) {
      await this.tell('error', { error }).catch((second) => {
        process.emitWarning(`a listener of 'error' failed itself: ${second}`, { code: 'SOS_LISTENER' })
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
    const { epoch } = this.#place
    const start = performance.now()
    if (this.#place.batch === 0) await this.tell('epochStart', { learningRate: this.#rate() })
    this.#sums ??= new EpochSums(this.device)
    const { everyEpochs = 1 } = this.#options.checkpoints ?? {}
    let due = (epoch + 1) % everyEpochs === 0 || epoch + 1 === this.epochs
    for await (const batch of data.epoch(epoch, this.#place.batch)) {
      await this.#step(batch)
      const asked = await this.#agree(signal)
      const last = this.#place.batch === data.batchesPerEpoch
      if (asked.end || (asked.checkpoint && !last)) await this.#checkpoint()
      if (asked.end) return true
      due ||= asked.checkpoint && last
    }
    const seconds = (performance.now() - start) / 1000
    const means = meansOf(await this.#sumsOfAll(), `epoch ${epoch}`, this.#rate(-1))
    await this.tell('epochEnd', { learningRate: this.#rate(-1), ...means, seconds })
    this.#place = { ...this.#place, epoch: epoch + 1, batch: 0 }
    this.#sums?.dispose()
    this.#sums = null
    if (due) await this.#checkpoint()
    return (await this.#agree(signal)).end
  }

  async #step(batch: TrainingBatch): Promise<void> {
    const learningRate = this.#rate()
    const where = { batch: batch.number, learningRate }
    await this.tell('batchStart', where)
    await scope(async () => {
      const loss = await this.#update(batch, learningRate)
      this.#place = { ...this.#place, batch: batch.number + 1, step: this.#place.step + 1 }
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

  /** A step of the optimizer, under which nobody takes the model out of train mode. @returns the loss */
  async #update(batch: TrainingBatch, learningRate: number): Promise<Tensor> {
    this.model.train()
    using working = this.model.atWork()
    const parameters = [...this.#target.parameters.values()]
    const { step } = this.#place
    let first = true
    return await this.#optimizer.step(async () => {
      const made = await batchGradients(working, parameters, batch, this.#options, step)
      if (first) this.#sums!.add(made.loss, made.logits, batch.targets)
      first = false
      return made
    }, learningRate)
  }

  async #checkpoint(): Promise<void> {
    if (this.#checkpoints === null) return
    const sums = await this.#sumsOfAll()
    if (this.parallel.rank !== 0) return
    const { learningRate, extra } = this
    const state = { ...this.#place, learningRate, sums, events: this.#events, extra }
    const tensors = capture(this.model, this.#optimizer, this.device)
    const path = await this.#checkpoints!.write(state, tensors)
    await this.tell('checkpoint', { path })
  }

  async #sumsOfAll(): Promise<RunState['sums']> {
    const own = this.#sums?.read() ?? { loss: 0, correct: 0, images: 0 }
    const [loss, correct, images] = await this.parallel.sum([own.loss, own.correct, own.images])
    return { loss: loss!, correct: correct!, images: images! }
  }

  /** The learning rate of the next step, or of one beside it. */
  #rate(offset = 0): number {
    const { epoch, batch } = this.#place
    const place = {
      epoch,
      batch: batch + offset,
      batchesPerEpoch: this.#batchesPerEpoch,
      epochs: this.epochs,
    }
    const rate = this.learningRate * this.#schedule.factor(place)
    finite('the learning rate, with its schedule,', rate)
    return rate
  }

  /** What any of the processes was asked to do, so that all of them do it after the same step. */
  async #agree(signal?: AbortSignal): Promise<{ end: boolean; checkpoint: boolean }> {
    const end = this.#stopAsked || signal?.aborted === true
    const asked = await this.parallel.sum([end ? 1 : 0, this.#checkpointAsked ? 1 : 0])
    this.#checkpointAsked = false
    return { end: asked[0]! > 0, checkpoint: asked[1]! > 0 }
  }

  #checkpointFolder(): CheckpointFolder {
    if (this.#checkpoints !== null) return this.#checkpoints
    throw new SosError('ERR_INVALID_ARGUMENT', 'expected the option `checkpoints` with a folder for them')
  }

  #where(): TrainerEvent {
    return { trainer: this, epoch: this.#place.epoch, step: this.#place.step }
  }
}
