import { expectList, expectObject, refuseArgument } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { handlesOf } from '../torch/internal.js'
import { type Drift, expectMaps, measureDrift, type Rounding } from './drift.js'
import type { LinearMap } from './solve/linear-map.js'

/**
 * What a shift does to samples outside of the batch. It follows from their inputs a alone: Δz = a(V* − V) + c* − c. No
 * label is used, and no bound is estimated. Losses and classes are certified only if the layer's outputs z are the
 * model's logits.
 */
export interface DriftCertificate {
  /** The number of rows of inputs. A row is an image, or a window or position of one. */
  readonly samples: number
  /** The largest |Δz| of any output of the layer for any row. */
  readonly maxLogitChange: number
  /** The mean over the rows of the largest |Δz| of each. */
  readonly meanLogitChange: number
  /**
   * A bound on the change of any sample's cross-entropy, whatever its label: the largest √2 · ‖Δz‖₂. Null if z are not
   * the logits.
   */
  readonly maxLossChange: number | null
  /**
   * The mean of √2 · ‖Δz‖₂ over the samples: a bound on the change of the mean cross-entropy. Null if z are not the
   * logits.
   */
  readonly meanLossChange: number | null
  /**
   * The share of samples whose predicted class cannot change, from 0 to 1: their margin exceeds max |Δzᵢ − Δzⱼ| and
   * what rounding adds in the dtypes of the layer and of the model's output. Null if z are not the logits.
   */
  readonly marginSafeShare: number | null
  /**
   * How many samples' predicted class did change. Null if z are not the logits, or if rounding decides the class of a
   * sample.
   */
  readonly changedPredictions: number | null
}

/** A certificate of logits: every figure is known. */
export interface LogitCertificate extends DriftCertificate {
  /** A bound on the change of any sample's cross-entropy: the largest √2 · ‖Δz‖₂. */
  readonly maxLossChange: number
  /** The mean of √2 · ‖Δz‖₂ over the samples. */
  readonly meanLossChange: number
  /** The share of samples whose predicted class cannot change, from 0 to 1. */
  readonly marginSafeShare: number
  /** How many samples' predicted class did change. */
  readonly changedPredictions: number
}

/**
 * Sums up a drift of logits.
 *
 * @param drift what `measureDrift` returned, for a layer whose outputs are the model's logits
 * @returns the certificate of all samples
 * @throws `ERR_INVALID_ARGUMENT` if it is not a drift
 * @example
 * const zero = { weight: torch.zeros([2, 3]), bias: null }
 * const certificate = certifyDrift(measureDrift(torch.rand([5, 2]), zero, zero))
 * console.log(certificate.maxLogitChange, certificate.changedPredictions) // → 0 0
 */
export function certifyDrift(drift: Drift): LogitCertificate {
  expectObject('drift', drift)
  if (!ArrayBuffer.isView(drift.spread)) refuseArgument('a drift', 'drift', drift)
  const sums = new DriftTotals()
  sums.add(drift)
  return sums.certificate()
}

/**
 * The certificate of rows that come in chunks, for a layer of one group or several. The groups of a convolution get a
 * row each, and the outputs of all groups together count as one row.
 */
export class DriftSums {
  readonly #before: LinearMap
  readonly #after: LinearMap
  readonly #totals = new DriftTotals()
  #largestLogit = 0

  /**
   * @param before V and c of each group before, [m, n / groups] and [n / groups]
   * @param after V* and c* of each group after
   * @throws `ERR_INVALID_ARGUMENT` for invalid maps
   */
  constructor(before: readonly LinearMap[], after: readonly LinearMap[]) {
    expectList('before', before)
    expectList('after', after)
    expectMaps(...before, ...after)
    this.#before = joined(before)
    this.#after = joined(after)
  }

  /**
   * Adds rows.
   *
   * @param rows the inputs of each group, [N, m]
   * @param rounding the rounding of the model whose outputs they are. Default: none
   */
  add(rows: readonly Tensor[], rounding?: Rounding): void {
    handlesOf('rows', rows)
    scope(() => {
      const joint = rows.length === 1 ? rows[0]! : torch.cat([...rows], 1)
      this.#totals.add(measureDrift(joint, this.#before, this.#after, rounding))
      const { weight, bias } = this.#before
      const z = joint.to({ device: 'cpu', dtype: 'float64' }).matmul(weight)
      const largest = (bias === null ? z : z.add(bias)).abs().max().item()
      this.#largestLogit = Math.max(this.#largestLogit, largest)
    })
  }

  /**
   * The certificate of all rows added so far.
   *
   * @param areLogits whether the layer's outputs are the model's logits, a row for each image. Default: false
   */
  certificate(areLogits = false): DriftCertificate {
    const all = this.#totals.certificate()
    if (areLogits)
      return { ...all, changedPredictions: this.#totals.undecided > 0 ? null : all.changedPredictions }
    const none = {
      maxLossChange: null,
      meanLossChange: null,
      marginSafeShare: null,
      changedPredictions: null,
    }
    return { ...all, ...none }
  }

  /** max |z| of all rows before. Rounding is relative to it. */
  get largestLogit(): number {
    return this.#largestLogit
  }
}

class DriftTotals {
  #samples = 0
  #safe = 0
  #changed = 0
  #undecided = 0
  #largest = { change: 0, norm: 0 }
  #sum = { change: 0, norm: 0 }

  /** The number of samples whose class rounding may decide. */
  get undecided(): number {
    return this.#undecided
  }

  add({ spread, margin, change, norm, changed, noise, undecided }: Drift): void {
    for (let i = 0; i < spread.length; i++) {
      this.#samples++
      if (margin[i]! > spread[i]! + 2 * noise[i]!) this.#safe++
      this.#undecided += undecided[i]!
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

/** The groups as one map: their matrices stand on the diagonal. */
function joined(maps: readonly LinearMap[]): LinearMap {
  if (maps.length === 1) return maps[0]!
  const biases = maps.flatMap(({ bias }) => (bias === null ? [] : [bias]))
  return {
    weight: torch.block_diag(maps.map(({ weight }) => weight)),
    bias: biases.length === 0 ? null : torch.cat(biases),
  }
}
