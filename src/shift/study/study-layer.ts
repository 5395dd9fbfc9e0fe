import type { LinearLayer } from '../../model/index.js'
import { parametersAt } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { LayerWeights, roundingChange, whyNotWritten } from '../layer/layer-weights.js'
import { frobeniusNorm, type LinearMap } from '../solve/linear-map.js'

/** Weights that a study puts in place of V, as the layer would store them. */
export interface Candidate {
  /** weight [n, m] and bias [n], in the layer's dtype on the CPU. */
  readonly map: LinearMap
  /** ‖V*‖, the Frobenius norm. */
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
  /** The part of it that comes from rounding to that dtype alone. */
  readonly roundingChange: number
  /** Whether the weights are V up to rounding. */
  readonly identity: boolean
  /** Why `shiftOptimum` would not write these weights; null if it would. */
  readonly rolledBack: string | null
}

/** The layer of a study. It has copies of the weights, so that the model stays as it is. */
export class StudyLayer {
  /** V [m, n] and c, float64. */
  readonly exact: LinearMap
  /** The same as the layer stores them: weight [n, m] and bias [n], in the layer's dtype on the CPU. */
  readonly stored: LinearMap
  /** ‖V‖, the Frobenius norm. */
  readonly norm: number

  constructor(model: ScriptModule, layer: LinearLayer) {
    const { weight } = parametersAt(model, layer.path)
    const weights = new LayerWeights(model, layer.path)
    weights.expectNumbers()
    this.exact = weights.maps()[0]!
    this.stored = asStored(weight!, this.exact)
    this.norm = frobeniusNorm(this.exact.weight)
  }

  /**
   * Rounds weights to what the layer would store, and checks them on a batch.
   *
   * @param a A, the inputs of the batch, [b, m]
   * @param map V* [m, n] and c*, float64
   * @param logitBudget the most that a logit of the batch may move; null for no limit
   */
  candidate(a: Tensor, map: LinearMap, logitBudget: number | null): Candidate {
    const stored = asStored(this.stored.weight, map)
    return scope(() => {
      const inputs = a.to({ dtype: stored.weight.dtype })
      const logits = ({ weight, bias }: LinearMap) => torch.linear(inputs, weight, bias)
      const before = logits(this.stored)
      const replaced = {
        normBefore: this.norm,
        normAfter: frobeniusNorm(stored.weight),
        batchLogitChange: logits(stored).sub(before).abs().max().item(),
      }
      const largest = before.abs().max().item()
      const moved = stored.weight.to('float64').t().sub(this.exact.weight)
      return {
        map: stored,
        normAfter: replaced.normAfter,
        batchLogitChange: replaced.batchLogitChange,
        roundingChange: roundingChange(a, map, asSolved(stored)),
        identity: frobeniusNorm(moved) <= 1e-6 * this.norm,
        rolledBack: whyNotWritten(replaced, largest, stored.weight.dtype, logitBudget),
      }
    })
  }

  dispose(): void {
    for (const { weight, bias } of [this.exact, this.stored]) {
      weight.dispose()
      bias?.dispose()
    }
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** From [m, n] in float64 to [n, m] as the layer stores it. */
function asStored({ dtype }: Tensor, { weight, bias }: LinearMap): LinearMap {
  const stored = (tensor: Tensor) => tensor.to({ device: 'cpu', dtype, copy: true }).contiguous()
  return { weight: stored(weight.t()), bias: bias === null ? null : stored(bias) }
}

/** From [n, m] as the layer stores it to [m, n] in float64. */
function asSolved({ weight, bias }: LinearMap): LinearMap {
  return { weight: weight.to('float64').t(), bias: bias?.to('float64') ?? null }
}
