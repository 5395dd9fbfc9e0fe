import { join } from 'node:path'
import { FileLock, makeFolder, SosError } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'

import {
  type Checkpoint,
  lastCheckpoint,
  type RunState,
  readCheckpoint,
  removeLeftovers,
  writeCheckpoint,
} from './checkpoint.js'
import { type CheckpointOptions, describeRun, type TrainerOptions } from './trainer-options.js'

/** The checkpoints of a run: their folder is its own from `begin` to `end`. */
export class CheckpointFolder {
  readonly #options: TrainerOptions
  readonly #checkpoints: CheckpointOptions
  /** The one that the run went on from. */
  #taken: string | null = null
  #lock: FileLock | null = null
  #run: ReturnType<typeof describeRun> | null = null

  constructor(options: TrainerOptions, checkpoints: CheckpointOptions) {
    this.#options = options
    this.#checkpoints = checkpoints
  }

  /** The last checkpoint; null where there is none. Throws `ERR_CHECKPOINT`, `ERR_DAMAGED_FILE`. */
  async read(device: string): Promise<Checkpoint | null> {
    this.#taken = await lastCheckpoint(this.#checkpoints.folder)
    if (this.#taken === null) return null
    const checkpoint = await readCheckpoint(this.#taken, await this.#description())
    const { threads } = checkpoint
    if (device === 'cpu' && threads !== torch.getNumThreads()) {
      process.emitWarning(
        `${this.#taken}: the run began with ${threads} threads for operators and goes on with ${torch.getNumThreads()}: its weights will differ in their last bits from those of a run that was not ended; set OMP_NUM_THREADS=${threads}`,
        { code: 'SOS_THREADS' },
      )
    }
    return checkpoint
  }

  /**
   * @throws `ERR_LOCKED` where another run writes there, `ERR_CHECKPOINT` where there are checkpoints that this run does not go on from
   */
  async begin(): Promise<void> {
    const { folder } = this.#checkpoints
    await makeFolder(folder)
    this.#lock = new FileLock(join(folder, 'checkpoints'))
    const last = await lastCheckpoint(folder)
    if (last !== this.#taken) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${folder}: expected ${this.#taken === null ? 'no checkpoint, since the run begins anew,' : `${this.#taken} to be the last checkpoint`} but ${last ?? 'none'} is there: call resume() before run(), or take another folder`,
      )
    }
    await removeLeftovers(folder)
    await this.#description()
  }

  /** @returns the path */
  async write(state: RunState, tensors: ReadonlyMap<string, Tensor>): Promise<string> {
    const { folder, keep = 2 } = this.#checkpoints
    const run = await this.#description()
    this.#taken = await writeCheckpoint(folder, { run, threads: torch.getNumThreads(), state, tensors }, keep)
    return this.#taken
  }

  end(): void {
    this.#lock?.release()
    this.#lock = null
  }

  #description(): ReturnType<typeof describeRun> {
    this.#run ??= describeRun(this.#options)
    return this.#run
  }
}
