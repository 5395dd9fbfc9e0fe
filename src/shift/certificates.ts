import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor/tensor.js'

/** A linear map z = aV + b: V [m, n], b [n] or null. */
export interface LinearMap {
  readonly weight: Tensor
  readonly bias: Tensor | null
}

/**
 * What a shift does to samples outside of the batch, known from their inputs a alone: Δz = a(V* − V) + b* − b. Labels play no
 * part, and no bound is a guess. Of losses and classes it speaks only where the layer's outputs z are the model's logits.
 */
export interface DriftCertificate {
  /** Rows of inputs: images, or windows or positions of them. */
  readonly samples: number
  /** The largest |Δz| of any output of the layer, and the mean over samples of each one's largest. */
  readonly maxLogitChange: number
  readonly meanLogitChange: number
  /**
   * By these at most does a sample's cross-entropy change, whatever its label: √2 · ‖Δz‖₂, largest and mean. Null where z are
   * not the logits.
   */
  readonly maxLossChange: number | null
  readonly meanLossChange: number | null
  /**
   * The share of samples whose predicted class cannot change: their margin exceeds max |Δzᵢ − Δzⱼ|. Null where z are not the
   * logits.
   */
  readonly marginSafeShare: number | null
  /** Samples whose predicted class did change; null where z are not the logits. */
  readonly changedPredictions: number | null
}

/** A certificate of logits. */
export interface LogitCertificate extends DriftCertificate {
  readonly maxLossChange: number
  readonly meanLossChange: number
  readonly marginSafeShare: number
  readonly changedPredictions: number
}

/** Of each sample, in order; all [N] float64. */
export interface Drift {
  /** max |Δzᵢ − Δzⱼ|: the largest less the smallest change. */
  readonly spread: Float64Array
  /** The largest logit before less the second largest; infinite where there is one class. */
  readonly margin: Float64Array
  /** max |Δz|. */
  readonly change: Float64Array
  /** ‖Δz‖₂. */
  readonly norm: Float64Array
  /** 1 where the predicted class changed. */
  readonly changed: Uint8Array
}

const chunk = 4096

/**
 * The drift of the samples with inputs `a` from one map to another, in float64.
 *
 * @param a [N, m], any floating dtype
 */
export function drift(a: Tensor, before: LinearMap, after: LinearMap): Drift {
  const samples = a.shape[0]!
  const result: Drift = {
    spread: new Float64Array(samples),
    margin: new Float64Array(samples),
    change: new Float64Array(samples),
    norm: new Float64Array(samples),
    changed: new Uint8Array(samples),
  }
  scope(() => {
    const [v, vStar] = [before, after].map(({ weight }) => weight.to({ device: 'cpu', dtype: 'float64' }))
    const [b, bStar] = [before, after].map(({ bias }) => bias?.to({ device: 'cpu', dtype: 'float64' }))
    const moved = vStar!.sub(v!)
    for (let start = 0; start < samples; start += chunk) {
      scope(() => {
        const rows = a
          .narrow(0, start, Math.min(chunk, samples - start))
          .to({ device: 'cpu', dtype: 'float64' })
        let z = rows.matmul(v!)
        if (b !== undefined) z = z.add(b)
        let change = rows.matmul(moved)
        if (b !== undefined && bStar !== undefined) change = change.add(bStar.sub(b))
        result.spread.set(values(change.amax([1]).sub(change.amin([1]))), start)
        result.margin.set(values(margins(z)), start)
        result.change.set(values(change.abs().amax([1])), start)
        result.norm.set(values(change.square().sum([1]).sqrt()), start)
        const changed = z.argmax(1).ne(z.add(change).argmax(1))
        result.changed.set(changed.to('uint8').toTypedArray() as Uint8Array, start)
      })
    }
  })
  return result
}

/** Sums a drift of logits up. */
export function certify(one: Drift): LogitCertificate {
  const sums = new DriftTotals()
  sums.add(one)
  return sums.certificate()
}

/**
 * The certificate of rows that come in chunks. A layer may take them in groups, as a convolution does: the outputs of all
 * groups are one row's.
 */
export class DriftSums {
  readonly #before: LinearMap
  readonly #after: LinearMap
  readonly #totals = new DriftTotals()
  #largestLogit = 0

  /** @param before of each group */
  constructor(before: readonly LinearMap[], after: readonly LinearMap[]) {
    this.#before = joined(before)
    this.#after = joined(after)
  }

  /** @param rows [N, m] of each group */
  add(rows: readonly Tensor[]): void {
    scope(() => {
      const joint = rows.length === 1 ? rows[0]! : torch.cat([...rows], 1)
      this.#totals.add(drift(joint, this.#before, this.#after))
      const { weight, bias } = this.#before
      const z = joint.to({ device: 'cpu', dtype: 'float64' }).matmul(weight)
      const largest = (bias === null ? z : z.add(bias)).abs().max().item()
      this.#largestLogit = Math.max(this.#largestLogit, largest)
    })
  }

  /** @param areLogits whether the layer's outputs are the model's logits, a row for each image. Default: false */
  certificate(areLogits = false): DriftCertificate {
    const all = this.#totals.certificate()
    if (areLogits) return all
    const none = {
      maxLossChange: null,
      meanLossChange: null,
      marginSafeShare: null,
      changedPredictions: null,
    }
    return { ...all, ...none }
  }

  /** max |z| of all rows, before: what rounding goes by. */
  get largestLogit(): number {
    return this.#largestLogit
  }
}

class DriftTotals {
  #samples = 0
  #safe = 0
  #changed = 0
  #largest = { change: 0, norm: 0 }
  #sum = { change: 0, norm: 0 }

  add({ spread, margin, change, norm, changed }: Drift): void {
    for (let i = 0; i < spread.length; i++) {
      this.#samples++
      if (margin[i]! > spread[i]!) this.#safe++
      this.#changed += changed[i]!
      // Math.max keeps NaN, which must not pass for a small drift.
      this.#largest.change = Math.max(this.#largest.change, change[i]!)
      this.#largest.norm = Math.max(this.#largest.norm, norm[i]!)
      this.#sum.change += change[i]!
      this.#sum.norm += norm[i]!
    }
  }

  certificate(): LogitCertificate {
    const of = (share: number) => (this.#samples === 0 ? 0 : share / this.#samples)
    return {
      samples: this.#samples,
      maxLogitChange: this.#largest.change,
      meanLogitChange: of(this.#sum.change),
      maxLossChange: Math.SQRT2 * this.#largest.norm,
      meanLossChange: Math.SQRT2 * of(this.#sum.norm),
      marginSafeShare: this.#samples === 0 ? 1 : this.#safe / this.#samples,
      changedPredictions: this.#changed,
    }
  }
}

/** Groups as one map: their matrices on the diagonal. */
function joined(maps: readonly LinearMap[]): LinearMap {
  if (maps.length === 1) return maps[0]!
  const biases = maps.flatMap(({ bias }) => (bias === null ? [] : [bias]))
  return {
    weight: torch.block_diag(maps.map(({ weight }) => weight)),
    bias: biases.length === 0 ? null : torch.cat(biases),
  }
}

function margins(z: Tensor): Tensor {
  if (z.shape[1]! < 2) return torch.full([z.shape[0]!], Number.POSITIVE_INFINITY, { dtype: 'float64' })
  const [best] = z.topk(2, 1)
  return best.select(1, 0).sub(best.select(1, 1))
}

const values = (tensor: Tensor) => tensor.toTypedArray() as Float64Array
