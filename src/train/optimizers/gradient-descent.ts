import { SosError } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { isHalf } from '../../torch/internal.js'
import type { Optimizer, OptimizerState, Target } from './optimizer.js'

/** Parameters of one dtype on one device, with what an update rule keeps for each. */
export interface Group {
  readonly parameters: Tensor[]
  readonly gradients: Tensor[]
  /** By the names that the rule gave, one tensor for each parameter. */
  readonly kept: Readonly<Record<string, Tensor[]>>
  /** Whether this is their first step: `kept` holds zeros. */
  readonly first: boolean
}

/** An update rule: one call of a fused operator of libtorch on a group. */
export interface UpdateRule {
  /** What is kept for each parameter; `like` makes a zero tensor for it. */
  readonly kept: Readonly<Record<string, (parameter: Tensor) => Tensor>>
  update(group: Group, learningRate: number): Promise<unknown>
}

/**
 * An optimizer that applies a rule to each parameter by its own gradient. A parameter without a gradient is left as it is, as
 * in PyTorch. What is kept of a parameter in half precision is float32.
 */
export function gradientDescent({ parameters }: Target, rule: UpdateRule): Optimizer {
  const names = [...parameters.keys()]
  const tensors = [...parameters.values()]
  const kept: OptimizerState = new Map()
  const keeps = Object.entries(rule.kept)

  /** What is kept for a parameter; made where it is not there. */
  const ensure = (name: string, parameter: Tensor): boolean => {
    if (keeps.length === 0 || kept.has(`${keeps[0]![0]}.${name}`)) return false
    scope(() => {
      const like = isHalf(parameter.dtype) ? torch.empty_like(parameter, { dtype: 'float32' }) : parameter
      for (const [key, make] of keeps) kept.set(`${key}.${name}`, keepTensor(make(like)))
    })
    return true
  }

  const groups = (gradients: readonly (Tensor | null)[]): Group[] => {
    const found = new Map<string, Group>()
    for (const [i, parameter] of tensors.entries()) {
      const gradient = gradients[i] ?? null
      if (gradient === null) continue
      const first = ensure(names[i]!, parameter)
      const key = `${parameter.dtype} ${parameter.device} ${first}`
      let group = found.get(key)
      if (group === undefined) {
        const empty = Object.fromEntries(keeps.map(([name]) => [name, []]))
        group = { parameters: [], gradients: [], kept: empty, first }
        found.set(key, group)
      }
      group.parameters.push(parameter)
      group.gradients.push(laidOutAs(parameter, gradient))
      for (const [name] of keeps) group.kept[name]!.push(kept.get(`${name}.${names[i]}`)!)
    }
    return [...found.values()]
  }

  return {
    async step(closure, learningRate) {
      const { loss, gradients } = await closure()
      await torch.noGrad(() =>
        scope(async () => {
          for (const group of groups(gradients)) await update(rule, group, learningRate)
        }),
      )
      return loss
    },
    state: () => new Map(kept),
    restore(state) {
      const known = new Map<string, Tensor>()
      for (const [i, name] of names.entries())
        for (const [key] of keeps) known.set(`${key}.${name}`, tensors[i]!)
      const wrong = [...state].find(
        ([name, tensor]) => !known.has(name) || !fits(name, tensor, known.get(name)!),
      )
      if (wrong !== undefined) {
        throw new SosError(
          'ERR_CHECKPOINT',
          `expected the state of this optimizer on these parameters but received '${wrong[0]}' ${wrong[1].dtype} [${wrong[1].shape}]: was it another optimizer, or another model?`,
        )
      }
      torch.noGrad(() =>
        scope(() => {
          for (const tensor of kept.values()) tensor.dispose()
          kept.clear()
          for (const [i, name] of names.entries()) {
            if (!keeps.some(([key]) => state.has(`${key}.${name}`))) continue
            ensure(name, tensors[i]!)
            for (const [key] of keeps) kept.get(`${key}.${name}`)!.copy_(state.get(`${key}.${name}`)!)
          }
        }),
      )
    },
  }
}

/**
 * Half precision is computed in float32 and rounded once, in the end: libtorch's fused SGD leaves such parameters on the CPU as
 * they were, without a word, and what is kept of the past would lose its small numbers.
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

/** Counts of steps are scalars, all else is shaped as its parameter and of its dtype, or float32 where that is half precision. */
function fits(name: string, { shape, dtype }: Tensor, parameter: Tensor): boolean {
  if (name.startsWith('steps.')) return shape.length === 0 && dtype === 'float32'
  const expected = isHalf(parameter.dtype) ? 'float32' : parameter.dtype
  return String(shape) === String(parameter.shape) && dtype === expected
}

/** The fused operators go through memory: a gradient must lie as its parameter does. */
function laidOutAs(parameter: Tensor, gradient: Tensor): Tensor {
  if (gradient.stride().join() === parameter.stride().join()) return gradient
  return torch.empty_like(parameter).copy_(gradient)
}
