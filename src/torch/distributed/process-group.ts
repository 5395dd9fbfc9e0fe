import { count, refuseArgument, SosError, whole } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ProcessGroupHandle } from '../native/handles.js'
import type { DType } from '../tensor/dtype.js'
import { handleOf, Tensor } from '../tensor/tensor.js'
import { type Launch, launchOf } from './launch.js'

/** What {@link ProcessGroup.allReduce} makes of the numbers of all ranks. */
export type Reduction = 'sum' | 'mean' | 'min' | 'max'

/** What moves the tensors: gloo over TCP, those of CUDA by way of the CPU; nccl between CUDA devices. */
export type ProcessGroupBackend = 'gloo' | 'nccl'

/** Options of {@link ProcessGroup.fromEnvironment}. */
export interface ProcessGroupOptions {
  /** Default: gloo. nccl is there where libtorch is one for CUDA ({@link ProcessGroup.backends}). */
  backend?: ProcessGroupBackend
  /** How long to wait for the other ranks, each time, in milliseconds. Default: 1,800,000, half an hour, as c10d's. */
  timeout?: number
}

// In the order of Reduction in native/core/process_group.h.
const reductions: readonly Reduction[] = ['sum', 'mean', 'min', 'max']
const floats: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16']
/** Those that gloo computes with. */
const reducible: readonly DType[] = [...floats, 'uint8', 'int8', 'int32', 'int64']

const DEFAULT_TIMEOUT = 1_800_000

let readHandle: (group: ProcessGroup) => ProcessGroupHandle
let groups = 0

/**
 * Processes that compute together, each with its rank from 0 to size − 1: PyTorch's c10d, which `torchrun` starts. Its
 * methods are collectives: **all ranks must call the same ones in the same order**, with tensors of the same shapes and dtypes. They
 * run off the event loop, on the lane, in the order of the calls, also with respect to forwards and backwards.
 *
 * Each is rejected with `ERR_PROCESS_GROUP` where the ranks differ in what they call, which sends nothing, and where a rank has ended,
 * is not reached or does not come within the timeout. After that the group refuses everything: end the process, and let
 * torchrun start all of them again.
 *
 * @example
 * // torchrun --no-python --nproc-per-node 2 node program.js
 * using group = await ProcessGroup.fromEnvironment()
 * const x = torch.full([3], group.rank)
 * await group.allReduce([x], 'mean') // 0.5 on both
 */
export class ProcessGroup {
  readonly #handle: ProcessGroupHandle

  /** As {@link Tensor.id}: no two groups are equal field by field, and none can be cloned. */
  readonly id: () => string = () => 'A ProcessGroup: it belongs to its thread'
  /** This process's own number, from 0 to size − 1. */
  readonly rank: number
  /** How many processes there are. */
  readonly size: number
  /** The number among the processes of this machine, for choosing a device: `cuda:0`, `cuda:1`, … */
  readonly localRank: number
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

  /** The backends that the addon was built with: [] without gloo's headers, nccl with a libtorch for CUDA. */
  static backends(): ProcessGroupBackend[] {
    return binding.processGroupBackends() as ProcessGroupBackend[]
  }

  /** Whether `torchrun`, or what does as it does, started this process: whether RANK and WORLD_SIZE are set. */
  static isLaunched(): boolean {
    return Boolean(process.env.RANK && process.env.WORLD_SIZE)
  }

  /**
   * Meets the other processes and answers when all have come. Where and who comes from the variables that `torchrun` sets: RANK,
   * WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT, and TORCHELASTIC_USE_AGENT_STORE, without which rank 0 serves the store at
   * that address. gloo listens at the interface that GLOO_SOCKET_IFNAME names, else at that of the host's name.
   *
   * @throws `ERR_ENVIRONMENT` for a variable that is missing or wrong, `ERR_NOT_BUILT` for a backend that the addon was built without, `ERR_DEVICE` for nccl without a CUDA device,
   * `ERR_PROCESS_GROUP` where not all come within the timeout, `ERR_INVALID_ARGUMENT`
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
   * Puts the sum (or mean, minimum, maximum) over the ranks of each tensor into it, in place, on all ranks the same to the last bit.
   *
   * @throws `ERR_DTYPE` for bool, complex and float8, and for a mean of whole numbers
   */
  async allReduce(tensors: readonly Tensor[], reduction: Reduction = 'sum'): Promise<void> {
    const code = reductions.indexOf(reduction)
    if (code === -1) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        `expected ${reductions.join(', ')} as reduction but received ${reduction}`,
      )
    }
    const allowed = reduction === 'mean' ? floats : reducible
    for (const { dtype } of tensors) {
      if (allowed.includes(dtype)) continue
      throw new SosError(
        'ERR_DTYPE',
        `expected ${allowed.join(', ')} for ${reduction} over ranks but received ${dtype}; convert it by to()`,
      )
    }
    await onLane(() => binding.allReduce(this.#handle, tensors.map(handleOf), code))
  }

  /** Puts the values of the tensors on rank `root` into those of all ranks, in place. Of any dtype. */
  async broadcast(tensors: readonly Tensor[], root = 0): Promise<void> {
    whole(0, this.size - 1)('root, a rank,', root)
    await onLane(() => binding.broadcast(this.#handle, tensors.map(handleOf), root))
  }

  /** The tensors of all ranks, of one shape and any dtype, as one of shape [size, …]: `gathered.at(rank)`. */
  async allGather(tensor: Tensor): Promise<Tensor> {
    return new Tensor(await onLane(() => binding.gather(this.#handle, handleOf(tensor), false)))
  }

  /**
   * The rows of all ranks, in the order of the ranks: of tensors [n, …], whose n may differ and may be 0, one of shape [Σ n, …].
   * What is sent is padded to the largest n.
   *
   * @throws `ERR_SHAPE` for a tensor without dimensions
   */
  async gatherRows(rows: Tensor): Promise<Tensor> {
    if (rows.ndim === 0) {
      throw new SosError('ERR_SHAPE', 'expected rows, a tensor [n, …], but received one without dimensions')
    }
    return new Tensor(await onLane(() => binding.gather(this.#handle, handleOf(rows), true)))
  }

  /** Answers once all ranks have called it. */
  async barrier(): Promise<void> {
    await onLane(() => binding.barrier(this.#handle))
  }

  /**
   * Leaves the group. The others are not told: they find out by their next collective. Collectives that are pending are finished.
   * Using the group afterwards rejects with `ERR_DISPOSED`.
   */
  dispose(): void {
    if (!binding.isDisposed(this.#handle)) binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** The native side of a group, for this folder's other files. */
export function handleOfGroup(group: ProcessGroup): ProcessGroupHandle {
  if (group instanceof ProcessGroup) return readHandle(group)
  return refuseArgument('a ProcessGroup', 'group', group)
}
