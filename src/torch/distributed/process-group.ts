import { count, refuseArgument, SosError, whole } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ProcessGroupHandle } from '../native/handles.js'
import type { DType } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'
import { type Launch, launchOf } from './launch.js'

/** How {@link ProcessGroup.allReduce} combines the numbers of all ranks. */
export type Reduction = 'sum' | 'mean' | 'min' | 'max'

/** The library that moves the tensors: gloo over TCP, with CUDA tensors passing through the CPU; nccl between CUDA devices. */
export type ProcessGroupBackend = 'gloo' | 'nccl'

/** Options of {@link ProcessGroup.fromEnvironment}. */
export interface ProcessGroupOptions {
  /** The library that moves the tensors. nccl needs a libtorch for CUDA ({@link ProcessGroup.backends}). Default: gloo. */
  backend?: ProcessGroupBackend
  /** How long each call waits for the other ranks, in milliseconds. Default: 1,800,000, half an hour, as in c10d. */
  timeout?: number
}

// In the order of Reduction in native/core/distributed/process_group.h.
const reductions: readonly Reduction[] = ['sum', 'mean', 'min', 'max']
const floats: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16']
/** The dtypes with which gloo computes. */
const reducible: readonly DType[] = [...floats, 'uint8', 'int8', 'int32', 'int64']

const DEFAULT_TIMEOUT = 1_800_000

let readHandle: (group: ProcessGroup) => ProcessGroupHandle
let groups = 0

/**
 * Processes that compute together, over PyTorch's c10d. `torchrun` starts them. Each process has a rank from 0 to size − 1.
 *
 * The methods are collectives: **all ranks must call the same methods in the same order**, with tensors of the same shapes and dtypes. They
 * run off the event loop, on the lane, in the order of the calls, also relative to forwards and backwards.
 *
 * A collective is rejected with `ERR_PROCESS_GROUP` if the ranks call different ones (nothing is sent then), or if a rank has ended, cannot be
 * reached or does not call within the timeout. After that the group refuses every call: end the process, and let torchrun start all of
 * them again.
 *
 * @example
 * if (ProcessGroup.isLaunched()) {
 *   using group = await ProcessGroup.fromEnvironment() // in: torchrun --no-python --nproc-per-node 2 node program.js
 *   const mean = torch.full([3], group.rank, { dtype: 'float32' })
 *   await group.allReduce([mean], 'mean') // 0.5 on both ranks
 * }
 */
export class ProcessGroup {
  readonly #handle: ProcessGroupHandle

  /** As {@link Tensor.id}: comparisons field by field find no two groups equal, and groups cannot be cloned. */
  readonly id: () => string = () => 'A ProcessGroup: it belongs to its thread'
  /** The number of this process, from 0 to size − 1. */
  readonly rank: number
  /** The number of processes. */
  readonly size: number
  /** The number of this process among those of its machine, for choosing a device: `cuda:0`, `cuda:1`, … */
  readonly localRank: number
  /** The library that moves the tensors. */
  readonly backend: ProcessGroupBackend

  static {
    readHandle = (group) => group.#handle
  }

  private constructor(handle: ProcessGroupHandle, launch: Launch, backend: ProcessGroupBackend) {
    this.#handle = handle
    this.rank = launch.rank
    this.size = launch.size
    this.localRank = launch.localRank
    this.backend = backend
  }

  /**
   * Lists the backends that the addon was built with.
   *
   * @returns gloo, and nccl with a libtorch for CUDA and the headers of CUDA and NCCL
   */
  static backends(): ProcessGroupBackend[] {
    return binding.processGroupBackends() as ProcessGroupBackend[]
  }

  /**
   * Whether `torchrun`, or a program that acts like it, started this process.
   *
   * @returns whether the variables RANK and WORLD_SIZE are set
   */
  static isLaunched(): boolean {
    return Boolean(process.env.RANK && process.env.WORLD_SIZE)
  }

  /**
   * Connects this process with the others, and waits until all have connected.
   *
   * It uses the environment variables that `torchrun` sets: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Without
   * TORCHELASTIC_USE_AGENT_STORE, rank 0 serves the store at that address. gloo listens on the network interface that GLOO_SOCKET_IFNAME
   * names, otherwise on that of the host's name.
   *
   * @param options the backend and the timeout
   * @returns the group
   * @throws `ERR_ENVIRONMENT` for a variable that is missing or wrong; `ERR_NOT_BUILT` for a backend that the addon was built without;
   *   `ERR_DEVICE` for nccl without a CUDA device; `ERR_PROCESS_GROUP` unless all connect within the timeout; `ERR_INVALID_ARGUMENT`
   */
  static async fromEnvironment(options: ProcessGroupOptions = {}): Promise<ProcessGroup> {
    const { backend = 'gloo', timeout = DEFAULT_TIMEOUT } = options
    count('timeout, in milliseconds,', timeout)
    const launch = launchOf(process.env)
    const { host, port, serves, rank, size, attempt } = launch
    const prefix = `sos/${attempt}/${groups++}`
    const meeting = { host, port, serves, prefix, backend, rank, size, timeout }
    return new ProcessGroup(await onLane(() => binding.connectProcessGroup(meeting)), launch, backend)
  }

  /**
   * Replaces each tensor, in place, by the sum over all ranks (or the mean, minimum or maximum). All ranks get the same bits.
   *
   * @param tensors tensors of the same shapes and dtypes on all ranks
   * @param reduction how the numbers are combined. Default: `sum`.
   * @throws `ERR_DTYPE` for bool, complex and float8 tensors, and for the mean of integers; `ERR_INVALID_ARGUMENT` for another reduction;
   *   `ERR_PROCESS_GROUP`
   */
  async allReduce(tensors: readonly Tensor[], reduction: Reduction = 'sum'): Promise<void> {
    const code = reductions.indexOf(reduction)
    if (code === -1) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        `expected one of ${reductions.join(', ')} as the reduction but received ${reduction}`,
      )
    }
    const allowed = reduction === 'mean' ? floats : reducible
    for (const { dtype } of tensors) {
      if (allowed.includes(dtype)) continue
      throw new SosError(
        'ERR_DTYPE',
        `expected a tensor of ${allowed.join(', ')} for the ${reduction} over ranks but received ${dtype}; convert it with to()`,
      )
    }
    await onLane(() => binding.allReduce(this.#handle, tensors.map(handleOf), code))
  }

  /**
   * Replaces the tensors of all ranks, in place, by those of one rank.
   *
   * @param tensors tensors of any dtype
   * @param root the rank whose values are sent. Default: 0.
   * @throws `ERR_INVALID_ARGUMENT` when there is no such rank, `ERR_PROCESS_GROUP`
   */
  async broadcast(tensors: readonly Tensor[], root = 0): Promise<void> {
    whole(0, this.size - 1)('root, a rank,', root)
    await onLane(() => binding.broadcast(this.#handle, tensors.map(handleOf), root))
  }

  /**
   * Collects a tensor of each rank.
   *
   * @param tensor a tensor of any dtype, with the same shape on all ranks
   * @returns one tensor [size, …], in which `gathered.at(rank)` is that of a rank
   * @throws `ERR_PROCESS_GROUP`
   */
  async allGather(tensor: Tensor): Promise<Tensor> {
    return new Tensor(await onLane(() => binding.gather(this.#handle, handleOf(tensor), false)))
  }

  /**
   * Collects the rows of all ranks. What is sent is padded to the largest number of rows.
   *
   * @param rows a tensor [n, …], whose n may differ between ranks and may be 0
   * @returns one tensor [Σ n, …], with the rows in the order of the ranks
   * @throws `ERR_SHAPE` for a tensor without dimensions, `ERR_PROCESS_GROUP`
   */
  async gatherRows(rows: Tensor): Promise<Tensor> {
    if (rows.ndim === 0) {
      throw new SosError('ERR_SHAPE', 'expected a tensor [n, …] of rows but received one without dimensions')
    }
    return new Tensor(await onLane(() => binding.gather(this.#handle, handleOf(rows), true)))
  }

  /** Waits until all ranks have called it. Throws `ERR_PROCESS_GROUP`. */
  async barrier(): Promise<void> {
    await onLane(() => binding.barrier(this.#handle))
  }

  /**
   * Leaves the group. Pending collectives are finished. The other ranks are not informed: their next collective fails. Using the group
   * afterwards rejects with `ERR_DISPOSED`.
   */
  dispose(): void {
    if (!binding.isDisposed(this.#handle)) binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** The native object of a group. */
export function handleOfGroup(group: ProcessGroup): ProcessGroupHandle {
  if (group instanceof ProcessGroup) return readHandle(group)
  return refuseArgument('a ProcessGroup', 'group', group)
}
