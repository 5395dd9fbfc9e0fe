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
 * Data-parallel training by the processes of a group. Each process has a copy of the model and a part of each batch. The gradients are
 * averaged in buckets while the backward pass is still running.
 *
 * @param group the processes
 * @returns the value for the trainer's option `parallel`
 * @example
 * ```ts no-run
 * const group = await ProcessGroup.fromEnvironment()
 * const optimizer = sgd({ learningRate: 0.1 })
 * const trainer = new Trainer(model, { data: train, epochs: 1, batchSize: 64, optimizer, parallel: dataParallel(group) })
 * await trainer.run()
 * ```
 */
export function dataParallel(group: ProcessGroup): Parallel {
  let reducer: { parameters: readonly Tensor[]; reducer: GradientReducer } | null = null
  return {
    rank: group.rank,
    size: group.size,
    device: (name) => (name === 'cuda' ? `cuda:${group.localRank}` : name),
    async gradients(loss, parameters) {
      if (reducer === null || !sameTensors(reducer.parameters, parameters)) {
        reducer = { parameters, reducer: new GradientReducer(group, parameters) }
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

/**
 * Connects to the processes that `torchrun` started together with this one. Without `torchrun` the run is in this process alone.
 *
 * @param options as for `ProcessGroup.fromEnvironment`. Default: none
 * @returns the value for the trainer's option `parallel`
 * @throws what `ProcessGroup.fromEnvironment` throws
 * @example
 * const parallel = await joinProcesses()
 * console.log(parallel.rank, parallel.size) // → 0 1
 */
export async function joinProcesses(options: ProcessGroupOptions = {}): Promise<Parallel> {
  return ProcessGroup.isLaunched() ? dataParallel(await ProcessGroup.fromEnvironment(options)) : alone
}

function sameTensors(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return a.length === b.length && a.every((tensor, i) => tensor === b[i])
}
