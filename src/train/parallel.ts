import { SosError } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'

/** How the processes of a run work together. Every process makes the same calls in the same order. */
export interface Parallel {
  readonly rank: number
  readonly size: number
  /** This process's own device of that name: of `cuda`, the one with its number among the processes of the machine. */
  device(name: string): string
  /** The gradients of the mean of the processes' losses, the same in all; null for a parameter that no loss depends on. */
  gradients(loss: Tensor, parameters: readonly Tensor[]): Promise<readonly (Tensor | null)[]>
  /** The sums of the processes' numbers. */
  sum(values: readonly number[]): Promise<number[]>
  /** The processes' tensors below one another, in the order of their ranks; they may differ in their first extent. */
  gatherRows(tensor: Tensor): Promise<Tensor>
  /** Gives all processes the tensors of rank 0, in place. */
  broadcast(tensors: readonly Tensor[]): Promise<void>
}

/** One process. */
export const alone: Parallel = {
  rank: 0,
  size: 1,
  device: (name) => name,
  gradients: (loss, parameters) => torch.autograd.grad([loss], parameters, { allowUnused: true }),
  sum: async (values) => [...values],
  gatherRows: async (tensor) => tensor,
  broadcast: async () => {},
}

/** Does `work` in the first process alone; where it fails there, it fails in all. Every process calls it. */
export async function inTheFirst({ rank, sum }: Parallel, work: () => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  if (rank === 0) await work().catch((error) => void failures.push(error))
  const [failed] = await sum([failures.length])
  if (failures.length > 0) throw failures[0]
  if (failed! > 0) {
    throw new SosError('ERR_PROCESS_GROUP', 'the first process could not begin; its own error tells why')
  }
}
