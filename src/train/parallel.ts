import { SosError } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'

/** How the processes of a run work together. All processes must make the same calls in the same order. */
export interface Parallel {
  /** The number of this process, counted from 0. */
  readonly rank: number
  /** The number of processes. */
  readonly size: number
  /** This process's own device of a name. For `cuda` it is the GPU with the number that the process has on its machine. */
  device(name: string): string
  /** The gradients of the mean of the processes' losses, the same in all processes; null for a parameter that no loss depends on. */
  gradients(loss: Tensor, parameters: readonly Tensor[]): Promise<readonly (Tensor | null)[]>
  /** Adds up the numbers of all processes, place by place. */
  sum(values: readonly number[]): Promise<number[]>
  /** The tensors of all processes, concatenated along the first dimension in the order of the ranks. Only that dimension may differ. */
  gatherRows(tensor: Tensor): Promise<Tensor>
  /** Copies the tensors of rank 0 to all processes, in place. */
  broadcast(tensors: readonly Tensor[]): Promise<void>
}

/** A run in one process. */
export const alone: Parallel = {
  rank: 0,
  size: 1,
  device: (name) => name,
  gradients: (loss, parameters) => torch.autograd.grad([loss], parameters, { allowUnused: true }),
  sum: async (values) => [...values],
  gatherRows: async (tensor) => tensor,
  broadcast: async () => {},
}

/**
 * Does some work in the first process only. If it fails there, it fails in all processes. Every process must call this.
 *
 * @throws the error of the work; in the other processes `ERR_PROCESS_GROUP`
 */
export async function inTheFirst({ rank, sum }: Parallel, work: () => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  if (rank === 0) await work().catch((error) => void failures.push(error))
  const [failed] = await sum([failures.length])
  if (failures.length > 0) throw failures[0]
  if (failed! > 0) {
    throw new SosError(
      'ERR_PROCESS_GROUP',
      'expected the first process to begin the run but it failed: see the error of that process',
    )
  }
}
