import { grad } from '../torch/autograd/autograd.js'
import type { Tensor } from '../torch/tensor/tensor.js'

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
  gradients: (loss, parameters) => grad([loss], parameters, { allowUnused: true }),
  sum: async (values) => [...values],
  gatherRows: async (tensor) => tensor,
  broadcast: async () => {},
}
