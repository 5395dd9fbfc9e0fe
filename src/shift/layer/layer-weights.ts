import { SosError } from '../../torch/errors.js'
import type { ScriptModule } from '../../torch/module/script-module.js'
import { torch } from '../../torch/ops.js'
import { scope } from '../../torch/scope.js'
import type { Tensor } from '../../torch/tensor/tensor.js'
import type { LinearMap } from '../certificates.js'
import { groupMatrix, weightOfGroups } from './convolution-rows.js'

/** What replacing a layer's weights did to them and to the batch. */
export interface Replacement {
  /** ‖V‖ and ‖V*‖, Frobenius, of the weight as stored. */
  readonly normBefore: number
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
}

/**
 * The weight and the bias of a layer that multiplies rows by a matrix: a linear layer, or a convolution on unfolded inputs,
 * each of its groups apart.
 */
export class LayerWeights {
  readonly #layer: string
  readonly #weight: Tensor
  readonly #bias: Tensor | null
  readonly #groups: number

  constructor(model: ScriptModule, layer: string, groups = 1) {
    const parameters = model.namedParameters()
    const named = (name: string) => parameters.get(layer === '' ? name : `${layer}.${name}`)
    this.#layer = layer
    this.#weight = named('weight')!
    this.#bias = named('bias') ?? null
    this.#groups = groups
  }

  /** V and b of each group as they are now, float64 on the CPU: [m, n / groups] and [n / groups]. */
  maps(): LinearMap[] {
    return this.#parts(this.#weight, this.#bias).map(({ weight, bias }) => ({
      weight: weight.to({ device: 'cpu', dtype: 'float64', copy: true }),
      bias: bias?.to({ device: 'cpu', dtype: 'float64', copy: true }) ?? null,
    }))
  }

  /**
   * Writes V* and b* of each group, and holds them against the layer as it was on the batch, in the layer's own dtype.
   *
   * @param rows A of each group, [rows, m]
   * @param logitBudget the most that a logit of the batch may move beside the rounding of the layer's dtype; null for any
   * @throws `ERR_SHIFT_VERIFICATION` where a logit moved further or the norm grew: the layer is as it was
   */
  replace(rows: readonly Tensor[], maps: readonly LinearMap[], logitBudget: number | null): Replacement {
    return scope(() => {
      const [weight, bias] = [this.#weight, this.#bias]
      const before = { weight: weight.clone(), bias: bias?.clone() ?? null }
      const restore = this.snapshot()
      const [matrices, biases] = [maps.map((map) => map.weight), maps.map((map) => map.bias!)]
      weight.copy_(weightOfGroups(matrices, weight.shape))
      bias?.copy_(torch.cat(biases))
      const [old, now] = [this.#parts(before.weight, before.bias), this.#parts(weight, bias)]
      let [batchLogitChange, largestLogit] = [0, 0]
      rows.forEach((group, i) => {
        const inputs = group.to({ device: weight.device, dtype: weight.dtype })
        const [before, after] = [old[i]!, now[i]!]
        const logits = torch.linear(inputs, before.weight.t(), before.bias)
        const moved = torch.linear(inputs, after.weight.t(), after.bias).sub(logits)
        batchLogitChange = Math.max(batchLogitChange, moved.abs().max().item())
        largestLogit = Math.max(largestLogit, logits.abs().max().item())
      })
      const [normBefore, normAfter] = [norm(before.weight), norm(weight)]
      const moved = logitBudget !== null && !(batchLogitChange <= logitBudget + this.rounding(largestLogit))
      // Rounding to the layer's dtype may lengthen a vector by its last digits.
      const grew = !(normAfter <= normBefore * (1 + Math.max(1e-6, epsilon(weight))))
      if (!moved && !grew) return { normBefore, normAfter, batchLogitChange }
      restore()
      const why = grew
        ? `the norm would have grown from ${normBefore} to ${normAfter}`
        : `a logit of the batch would have moved by ${batchLogitChange}, more than ${logitBudget}`
      throw new SosError(
        'ERR_SHIFT_VERIFICATION',
        `the shift of '${this.#layer}' was rolled back: ${why}; keep more of the row space by a smaller tolerance or the rank policy 'logits'`,
      )
    })
  }

  /** What the layer's dtype may add to the change of a logit of this size. */
  rounding(logit: number): number {
    return 16 * epsilon(this.#weight) * logit
  }

  /** Remembers both as they are; the function that it returns puts them back. */
  snapshot(): () => void {
    const [weight, bias] = [this.#weight, this.#bias]
    const before = { weight: weight.clone(), bias: bias?.clone() ?? null }
    return () => {
      weight.copy_(before.weight)
      bias?.copy_(before.bias!)
    }
  }

  /** V [m, n / groups] and b [n / groups] of each group, in the layer's dtype. */
  #parts(weight: Tensor, bias: Tensor | null): LinearMap[] {
    const outputs = weight.shape[0]! / this.#groups
    return Array.from({ length: this.#groups }, (_, group) => ({
      weight: groupMatrix(weight, this.#groups, group),
      bias: bias?.narrow(0, group * outputs, outputs) ?? null,
    }))
  }
}

/** The distance from 1 to the next number of a floating dtype. */
function epsilon({ dtype }: Tensor): number {
  const digits: Record<string, number> = { float64: 52, float32: 23, float16: 10, bfloat16: 7 }
  return 2 ** -(digits[dtype] ?? 23)
}

const norm = (tensor: Tensor): number => tensor.to('float64').square().sum().sqrt().item()
