import { SosError } from '../../base/index.js'
import { allFinite, notFinite, parametersAt } from '../../model/internal.js'
import { type DType, type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { epsilon, isHalf } from '../../torch/internal.js'
import { frobeniusNorm, type LinearMap } from '../solve/linear-map.js'
import type { Solution, SolveOptions } from '../solve/solve.js'
import { groupMatrix, weightOfGroups } from './convolution-rows.js'

/** What new weights do to the norm and to the batch. */
export interface Replacement {
  /** ‖V‖, the Frobenius norm of the weight before, as stored. */
  readonly normBefore: number
  /** ‖V*‖, the Frobenius norm of the weight after, as stored. */
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
}

/** A weight and a bias as a layer stores them: in its shapes and dtype, on its device. */
export interface StoredWeights {
  readonly weight: Tensor
  readonly bias: Tensor | null
}

/**
 * The weight and the bias of a layer that multiplies rows by a matrix: a linear layer, or a convolution on its windows.
 * Each group of a convolution is treated separately.
 */
export class LayerWeights {
  readonly #model: ScriptModule
  readonly #layer: string
  readonly #weight: Tensor
  readonly #bias: Tensor | null
  readonly #groups: number
  /** The weights when this was made: somebody else may write to the layer later. */
  readonly #before: StoredWeights

  constructor(model: ScriptModule, layer: string, groups = 1) {
    const { weight, bias } = parametersAt(model, layer)
    this.#model = model
    this.#layer = layer
    this.#weight = weight!
    this.#bias = bias
    this.#groups = groups
    this.#before = torch.noGrad(() => ({ weight: this.#weight.clone(), bias: this.#bias?.clone() ?? null }))
  }

  /**
   * V and c of each group, float64 on the CPU, [m, n / groups] and [n / groups].
   *
   * @param stored the weights to read. Default: those of the layer when this was made
   */
  maps(stored: StoredWeights = this.#before): LinearMap[] {
    return this.#parts(stored).map(({ weight, bias }) => ({
      weight: weight.to({ device: 'cpu', dtype: 'float64', copy: true }),
      bias: bias?.to({ device: 'cpu', dtype: 'float64', copy: true }) ?? null,
    }))
  }

  /**
   * Refuses a layer with nothing to shift: `ERR_NOT_FINITE` for NaN or infinity in the layer, `ERR_NOT_SHIFTABLE` for a
   * weight of zeros.
   */
  expectNumbers(): void {
    const { weight, bias } = this.#before
    for (const [name, tensor] of [['weight', weight] as const, ['bias', bias] as const]) {
      if (tensor !== null && !allFinite(tensor))
        throw notFinite(this.#model, `the ${name} of '${this.#layer}'`)
    }
    if (frobeniusNorm(weight) > 0) return
    throw new SosError(
      'ERR_NOT_SHIFTABLE',
      `'${this.#layer}' cannot be shifted: its weight consists of zeros, like that of a head that is not trained yet; train it first (during a training, begin the shifts later by startEpoch)`,
    )
  }

  /** V* and c* of each group as the layer would store them. Nothing is written. */
  stored(maps: readonly LinearMap[]): StoredWeights {
    const [weight, bias] = [this.#weight, this.#bias]
    return {
      weight: torch.empty_like(weight).copy_(
        weightOfGroups(
          maps.map((map) => map.weight),
          weight.shape,
        ),
      ),
      bias: bias === null ? null : torch.empty_like(bias).copy_(torch.cat(maps.map((map) => map.bias!))),
    }
  }

  /**
   * Checks weights that may be written, on the batch and in the layer's own dtype.
   *
   * @param rows A of each group, [rows, m]
   * @param logitBudget the most that a logit of the batch may move beyond the rounding of the layer's dtype; null for
   *   no limit
   * @throws `ERR_SHIFT_VERIFICATION` if a logit would move further or the norm would grow
   */
  verify(rows: readonly Tensor[], to: StoredWeights, logitBudget: number | null): Replacement {
    return scope(() => {
      const weight = this.#weight
      const [old, now] = [this.#parts(this.#before), this.#parts(to)]
      let [batchLogitChange, largestLogit] = [0, 0]
      rows.forEach((group, i) => {
        const inputs = group.to({ device: weight.device, dtype: weight.dtype })
        const [before, after] = [old[i]!, now[i]!]
        const logits = torch.linear(inputs, before.weight.t(), before.bias)
        const moved = torch.linear(inputs, after.weight.t(), after.bias).sub(logits)
        batchLogitChange = Math.max(batchLogitChange, moved.abs().max().item())
        largestLogit = Math.max(largestLogit, logits.abs().max().item())
      })
      const [normBefore, normAfter] = [frobeniusNorm(this.#before.weight), frobeniusNorm(to.weight)]
      const replaced = { normBefore, normAfter, batchLogitChange }
      const why = whyNotWritten(replaced, largestLogit, weight.dtype, logitBudget)
      if (why === null) return replaced
      throw notVerified(this.#layer, why)
    })
  }

  /**
   * The cost of storing V* and c*: the largest change of the layer's outputs on the batch that comes from rounding
   * them to the layer's dtype. It is max |A(V*ᵣ − V*) + c*ᵣ − c*|, in float64.
   *
   * @param rows A of each group, [rows, m]
   * @param exact V* and c* of each group, float64
   */
  roundingChange(rows: readonly Tensor[], exact: readonly LinearMap[], stored: StoredWeights): number {
    return scope(() => {
      const changes = this.maps(stored).map((map, i) => roundingChange(rows[i]!, exact[i]!, map))
      return Math.max(...changes)
    })
  }

  /** The dtype of the weight. */
  get dtype(): DType {
    return this.#weight.dtype
  }

  /**
   * Writes weights into the layer of a view that holds the model in eval mode. It happens between two forwards of any
   * thread, each of which sees the old weights or the new ones.
   *
   * @param options.forced restores weights that were written before, even if somebody else holds the model
   * @throws `ERR_BUSY` if a weight of the model was written to since the hold began, or if somebody else holds the
   *   model too: nothing is written
   */
  async write({ weight, bias }: StoredWeights, options: { forced?: boolean } = {}): Promise<void> {
    const to = [this.#weight, ...(this.#bias === null ? [] : [this.#bias])]
    await this.#model.write(to, [weight, ...(bias === null ? [] : [bias])], options)
  }

  /** The weights when this was made, for restoring them. */
  get before(): StoredWeights {
    return this.#before
  }

  /** What the layer's dtype may add to the change of a logit of this size. */
  rounding(logit: number): number {
    return 16 * epsilon(this.#weight.dtype) * logit
  }

  /** V [m, n / groups] and c [n / groups] of each group, in the layer's dtype. */
  #parts({ weight, bias }: StoredWeights): LinearMap[] {
    const outputs = weight.shape[0]! / this.#groups
    return Array.from({ length: this.#groups }, (_, group) => ({
      weight: groupMatrix(weight, this.#groups, group),
      bias: bias?.narrow(0, group * outputs, outputs) ?? null,
    }))
  }
}

/** Throws `ERR_SHIFT_VERIFICATION` if no direction of V was kept: V* would be 0. */
export function expectSomeRank(layer: string, solutions: readonly Solution[], options: SolveOptions): void {
  if (solutions.some(({ rank }) => rank > 0)) return
  const absent = solutions.every(({ singularValues }) => singularValues?.[0] === 0)
  const inputs = options.bias === 'absorb' ? 'its inputs, less their mean,' : 'its inputs'
  throw new SosError(
    'ERR_SHIFT_VERIFICATION',
    `the shift of '${layer}' was not written: its rank is 0, so that nothing of the weight would be left: ${
      absent
        ? `${inputs} are zero for all images of the batch`
        : 'the rank policy keeps no direction of its inputs; keep more by another policy or number (--rank)'
    }`,
  )
}

/** max |A(V*ᵣ − V*) + c*ᵣ − c*|, in float64. Both maps are float64, [m, n]. */
export function roundingChange(a: Tensor, exact: LinearMap, stored: LinearMap): number {
  return scope(() => {
    const moved = a.to({ device: 'cpu', dtype: 'float64' }).matmul(stored.weight.sub(exact.weight))
    const all = exact.bias === null ? moved : moved.add(stored.bias!.sub(exact.bias))
    return all.numel() === 0 ? 0 : all.abs().max().item()
  })
}

/**
 * The warning about rounding for a layer in half precision; null for other dtypes, or if the change is within the
 * budget.
 */
export function roundingWarning(
  change: number | null,
  dtype: DType,
  logitBudget: number | null,
): string | null {
  if (change === null || !isHalf(dtype) || change <= (logitBudget ?? Number.POSITIVE_INFINITY)) return null
  return `rounding to ${dtype} alone moves the layer's outputs on the batch by up to ${change.toPrecision(2)}, more than the ${logitBudget} that was asked for; shift the model in float32 and convert it afterwards to see the effect of each`
}

/** The error of a shift that was not written. */
export function notVerified(layer: string, why: string): SosError {
  return new SosError(
    'ERR_SHIFT_VERIFICATION',
    `the shift of '${layer}' was not written: ${why}; keep more of the row space by a smaller tolerance or the rank policy 'logits'`,
  )
}

/**
 * Says why weights must not be written: the norm would grow, or an output of the layer on the batch would move by more
 * than the budget and what rounding adds. Null if they may be written.
 *
 * @param logitBudget null for no limit
 */
export function whyNotWritten(
  { normBefore, normAfter, batchLogitChange }: Replacement,
  largestLogit: number,
  dtype: DType,
  logitBudget: number | null,
): string | null {
  if (normAfter === 0) return 'nothing of the weight would be left'
  // Rounding to the layer's dtype may lengthen a vector by its last digits.
  if (!(normAfter <= normBefore * (1 + Math.max(1e-6, epsilon(dtype))))) {
    return `the norm would have grown from ${normBefore} to ${normAfter}`
  }
  if (logitBudget === null || batchLogitChange <= logitBudget + 16 * epsilon(dtype) * largestLogit)
    return null
  return `a logit of the batch would have moved by ${batchLogitChange}, more than ${logitBudget}`
}
