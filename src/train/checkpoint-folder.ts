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

/** The folder of a run's checkpoints. It belongs to the run from `begin` to `end`. */
export class CheckpointFolder {
  readonly #options: TrainerOptions
  readonly #checkpoints: CheckpointOptions
  /** The last checkpoint that this run read or wrote. */
  #latest: string | null = null
  #lock: FileLock | null = null
  #run: ReturnType<typeof describeRun> | null = null

  constructor(options: TrainerOptions, checkpoints: CheckpointOptions) {
    this.#options = options
    this.#checkpoints = checkpoints
  }

  /**
   * Reads the last checkpoint, and warns if the number of threads has changed.
   *
   * @returns null if there is none
   * @throws `ERR_CHECKPOINT`, `ERR_DAMAGED_FILE`
   */
  async read(device: string): Promise<Checkpoint | null> {
    this.#latest = await lastCheckpoint(this.#checkpoints.folder)
    if (this.#latest === null) return null
    const checkpoint = await readCheckpoint(this.#latest, await this.#description())
    const { threads } = checkpoint
    if (device === 'cpu' && threads !== torch.getNumThreads()) {
      process.emitWarning(
        `${this.#latest}: the run began with ${threads} threads for operators and continues with ${torch.getNumThreads()}, so its weights will differ in their last bits from those of an uninterrupted run; set OMP_NUM_THREADS=${threads} to avoid this`,
        { code: 'SOS_THREADS' },
      )
    }
    return checkpoint
  }

  /**
   * Locks the folder for this run.
   *
   * @throws `ERR_LOCKED` if another run uses the folder, `ERR_CHECKPOINT` if it holds checkpoints from which this run does not continue,
   *   `ERR_OUTPUT`
   */
  async begin(): Promise<void> {
    const { folder } = this.#checkpoints
    await makeFolder(folder)
    this.#lock = new FileLock(join(folder, 'checkpoints'))
    const last = await lastCheckpoint(folder)
    if (last !== this.#latest) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${folder}: expected ${this.#latest === null ? 'no checkpoint, since the run begins anew,' : `${this.#latest} to be the last checkpoint`} but ${last ?? 'none'} is there: call resume() before run(), or take another folder`,
      )
    }
    await removeLeftovers(folder)
    await this.#description()
  }

  /** Writes a checkpoint. @returns its path */
  async write(state: RunState, tensors: ReadonlyMap<string, Tensor>): Promise<string> {
    const { folder, keep = 2 } = this.#checkpoints
    const run = await this.#description()
    this.#latest = await writeCheckpoint(
      folder,
      { run, threads: torch.getNumThreads(), state, tensors },
      keep,
    )
    return this.#latest
  }

  /** Unlocks the folder. */
  end(): void {
    this.#lock?.release()
    this.#lock = null
  }

  #description(): ReturnType<typeof describeRun> {
    this.#run ??= describeRun(this.#options)
    return this.#run
  }
}
