import { scope, type Tensor, torch } from '../../torch/index.js'
import { isHalf } from '../../torch/internal.js'
import { KeptTensors } from './kept-tensors.js'
import type { Optimizer, Target } from './optimizer.js'

/** Parameters of one dtype on one device, with what an update rule keeps for each of them. */
export interface Group {
  readonly parameters: Tensor[]
  readonly gradients: Tensor[]
  /** The kept tensors by the names that the rule gave, one tensor for each parameter. */
  readonly kept: Readonly<Record<string, Tensor[]>>
  /** Whether this is the first step of these parameters, so that `kept` holds zeros. */
  readonly first: boolean
}

/** An update rule: one call of a fused operator of libtorch on a group. */
export interface UpdateRule {
  /** What is kept for each parameter, by name; the function makes a tensor of zeros for it. */
  readonly kept: Readonly<Record<string, (parameter: Tensor) => Tensor>>
  update(group: Group, learningRate: number): Promise<unknown>
}

/**
 * Makes an optimizer that applies a rule to each parameter by its own gradient. As in PyTorch, a parameter without a gradient stays as
 * it is. What is kept of a parameter in half precision is float32.
 */
export function gradientDescent({ parameters }: Target, rule: UpdateRule): Optimizer {
  const kept = new KeptTensors(parameters, rule.kept)
  return {
    async step(closure, learningRate) {
      const { loss, gradients } = await closure()
      await torch.noGrad(() =>
        scope(async () => {
          for (const group of groupsOf(parameters, gradients, kept)) await update(rule, group, learningRate)
        }),
      )
      return loss
    },
    state: () => kept.all(),
    restore: (state) => kept.restore(state),
  }
}

/** The parameters that have a gradient, in groups that a fused operator takes. */
function groupsOf(
  parameters: ReadonlyMap<string, Tensor>,
  gradients: readonly (Tensor | null)[],
  kept: KeptTensors,
): Group[] {
  const groups = new Map<string, Group>()
  for (const [i, [name, parameter]] of [...parameters].entries()) {
    const gradient = gradients[i] ?? null
    if (gradient === null) continue
    const first = kept.make(name)
    const key = `${parameter.dtype} ${parameter.device} ${first}`
    const group = groups.get(key) ?? { parameters: [], gradients: [], kept: kept.emptyLists(), first }
    groups.set(key, group)
    group.parameters.push(parameter)
    group.gradients.push(laidOutAs(parameter, gradient))
    for (const [key, list] of Object.entries(group.kept)) list.push(kept.of(key, name))
  }
  return [...groups.values()]
}

/**
 * Half precision is computed in float32 and rounded once, at the end: libtorch's fused SGD silently leaves such parameters unchanged on
 * the CPU, and the kept tensors would lose small numbers.
 */
async function update(rule: UpdateRule, group: Group, learningRate: number): Promise<void> {
  const { parameters, gradients } = group
  if (!isHalf(parameters[0]!.dtype)) {
    await rule.update(group, learningRate)
    return
  }
  const wide = (tensors: readonly Tensor[]) => tensors.map((tensor) => tensor.to('float32'))
  const rounded = { ...group, parameters: wide(parameters), gradients: wide(gradients) }
  await rule.update(rounded, learningRate)
  torch._foreach_copy_(parameters, rounded.parameters)
}

/** The fused operators go through memory in order, so a gradient must have the strides of its parameter. */
function laidOutAs(parameter: Tensor, gradient: Tensor): Tensor {
  if (gradient.stride().join() === parameter.stride().join()) return gradient
  return torch.empty_like(parameter).copy_(gradient)
}
