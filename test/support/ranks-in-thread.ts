import { type Tensor, torch } from '../../src/index.js'
import { alone, type Parallel } from '../../src/train/parallel.js'

/** The processes of a group in one thread, for what no process of its own is needed for: each call of all of them meets. */
export function ranksInThread(size: number): Parallel[] {
  let meeting: {
    given: Map<number, unknown>
    all: Promise<unknown[]>
    open: (values: unknown[]) => void
  } | null = null
  const meet = <T>(rank: number, value: T): Promise<T[]> => {
    if (meeting === null) {
      let open!: (values: unknown[]) => void
      const all = new Promise<unknown[]>((resolve) => {
        open = resolve
      })
      meeting = { given: new Map(), all, open }
    }
    const { given, all, open } = meeting
    given.set(rank, value)
    if (given.size === size) {
      meeting = null
      open(Array.from({ length: size }, (_, i) => given.get(i)))
    }
    return all as Promise<T[]>
  }
  return Array.from({ length: size }, (_, rank) => ({
    ...alone,
    rank,
    size,
    async gradients(loss, parameters) {
      const own = await alone.gradients(loss, parameters)
      const all = await meet(rank, own)
      return own.map((_, i) => {
        const parts = all.flatMap((gradients) => gradients[i] ?? [])
        return parts.length === 0 ? null : torch.stack(parts).sum([0]).div(size)
      })
    },
    async sum(values) {
      const all = await meet(rank, [...values])
      return values.map((_, i) => all.reduce((sum, one) => sum + one[i]!, 0))
    },
    gatherRows: async (tensor: Tensor) => torch.cat(await meet(rank, tensor)),
    async broadcast(tensors) {
      const [first] = await meet(
        rank,
        tensors.map((tensor) => tensor.detach().clone()),
      )
      if (rank > 0) torch.noGrad(() => tensors.forEach((tensor, i) => void tensor.copy_(first![i]!)))
    },
  }))
}
