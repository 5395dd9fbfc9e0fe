import {
  GradientReducer,
  ProcessGroup,
  type ProcessGroupOptions,
  scope,
  type Tensor,
  torch,
} from '../torch/index.js'
import { alone, type Parallel } from './parallel.js'

/**
 * Data-parallel training by the processes of a group: each has a copy of the model and a part of each batch; gradients are
 * averaged in buckets while the backward goes on.
 */
export function dataParallel(group: ProcessGroup): Parallel {
  let reducer: { of: readonly Tensor[]; reducer: GradientReducer } | null = null
  return {
    rank: group.rank,
    size: group.size,
    device: (name) => (name === 'cuda' ? `cuda:${group.localRank}` : name),
    async gradients(loss, parameters) {
      if (reducer === null || !sameTensors(reducer.of, parameters)) {
        reducer = { of: parameters, reducer: new GradientReducer(group, parameters) }
      }
      for (const parameter of parameters) parameter.grad = null
      await reducer.reducer.prepare()
      await torch.autograd.backward([loss])
      return parameters.map(({ grad }) => grad)
    },
    sum: (values) =>
      scope(async () => {
        const sums = torch.tensor([...values], { dtype: 'float64' })
        await group.allReduce([sums])
        return sums.toArray() as number[]
      }),
    gatherRows: (tensor) => group.gatherRows(tensor),
    broadcast: (tensors) => group.broadcast(tensors),
  }
}

/** The processes that `torchrun` started together, or this one alone. Throws as `ProcessGroup.fromEnvironment` does. */
export async function joinProcesses(options: ProcessGroupOptions = {}): Promise<Parallel> {
  return ProcessGroup.isLaunched() ? dataParallel(await ProcessGroup.fromEnvironment(options)) : alone
}

function sameTensors(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return a.length === b.length && a.every((tensor, i) => tensor === b[i])
}
