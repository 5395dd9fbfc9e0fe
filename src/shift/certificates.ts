import { checkNumbers, expectList, expectObject, nonNegative, refuseArgument } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor, handlesOf } from '../torch/internal.js'
import type { LinearMap } from './solve/linear-map.js'

/** How much rounding there is, as parts of what is rounded; no more than by 16 units in sums of products. */
export interface Rounding {
  /** Of the layer's products of inputs and weights, relative to the lengths of both. */
  readonly products: number
  /** Of what comes out, relative to the largest logit. */
  readonly outputs: number
  /** Whether the model takes a softmax, or its logarithm, which rounds once more. */
  readonly softmax: boolean
}

const exact: Rounding = { products: 0, outputs: 0, softmax: false }

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
   * The share of samples whose predicted class cannot change: their margin exceeds max |Δzᵢ − Δzⱼ| and what rounding adds in
   * the dtypes of the layer and of the model's output. Null where z are not the logits.
   */
  readonly marginSafeShare: number | null
  /** Samples whose predicted class did change; null where z are not the logits, or where for some of them rounding decides. */
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
  /** What rounding may move an output by, before or after. */
  readonly noise: Float64Array
  /** 1 where rounding may decide which class is predicted, before or after. */
  readonly undecided: Uint8Array
}

/** One without any samples' values yet. */
export function emptyDrift(samples: number): Drift {
  return {
    spread: new Float64Array(samples),
    margin: new Float64Array(samples),
    change: new Float64Array(samples),
    norm: new Float64Array(samples),
    changed: new Uint8Array(samples),
    noise: new Float64Array(samples),
    undecided: new Uint8Array(samples),
  }
}

const chunk = 4096

/**
 * The drift of the samples with inputs `a` from one map to another, in float64.
 *
 * @param a [N, m], any floating dtype
 * @param rounding of the model that is spoken of. Default: none
 */
export function measureDrift(a: Tensor, before: LinearMap, after: LinearMap, rounding = exact): Drift {
  expectTensor('a', a)
  expectMaps(before, after)
  checkNumbers(rounding, { products: nonNegative, outputs: nonNegative })
  const samples = a.shape[0]!
  const result = emptyDrift(samples)
  scope(() => {
    const [v, vStar] = [before, after].map(({ weight }) => weight.to({ device: 'cpu', dtype: 'float64' }))
    const [b, bStar] = [before, after].map(
      ({ weight, bias }) =>
        bias?.to({ device: 'cpu', dtype: 'float64' }) ??
        torch.zeros([weight.shape[1]!], { dtype: 'float64' }),
    )
    const moved = vStar!.sub(v!)
    const longest = Math.max(longestColumn(v!), longestColumn(vStar!))
    for (let start = 0; start < samples; start += chunk) {
      scope(() => {
        const rows = a
          .narrow(0, start, Math.min(chunk, samples - start))
          .to({ device: 'cpu', dtype: 'float64' })
        const z = rows.matmul(v!).add(b!)
        const change = rows.matmul(moved).add(bStar!.sub(b!))
        const zStar = z.add(change)
        const lengths = rows.square().sum([1]).sqrt().mul(longest)
        const noise = noiseOf(
          lengths,
          torch.maximum(z.abs().amax([1]), zStar.abs().amax([1])),
          z.shape[1]!,
          rounding,
        )
        const margin = margins(z)
        const closest = torch.minimum(margin, margins(zStar))
        result.spread.set(values(change.amax([1]).sub(change.amin([1]))), start)
        result.margin.set(values(margin), start)
        result.change.set(values(change.abs().amax([1])), start)
        result.norm.set(values(change.square().sum([1]).sqrt()), start)
        result.changed.set(bytes(z.argmax(1).ne(zStar.argmax(1))), start)
        result.noise.set(values(noise), start)
        // NaN decides nothing.
        result.undecided.set(bytes(closest.gt(noise.mul(2)).logical_not()), start)
      })
    }
  })
  return result
}

/** @param lengths of inputs times weights, the longest of each sample; `largest` logit of each; `classes` of a softmax */
function noiseOf(
  lengths: Tensor,
  largest: Tensor,
  classes: number,
  { products, outputs, softmax }: Rounding,
): Tensor {
  const rounded = softmax ? largest.mul(2).add(1 + Math.log(classes)) : largest
  return lengths.mul(products).add(rounded.mul(outputs))
}

function longestColumn(matrix: Tensor): number {
  return matrix.square().sum([0]).max().sqrt().item()
}

/** Sums a drift of logits up. */
export function certifyDrift(one: Drift): LogitCertificate {
  expectObject('drift', one)
  if (!ArrayBuffer.isView(one.spread)) refuseArgument('a drift', 'drift', one)
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
    expectList('before', before)
    expectList('after', after)
    expectMaps(...before, ...after)
    this.#before = joined(before)
    this.#after = joined(after)
  }

  /** @param rows [N, m] of each group */
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

  /** @param areLogits whether the layer's outputs are the model's logits, a row for each image. Default: false */
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

  /** max |z| of all rows, before: what rounding goes by. */
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

  /** Samples whose class rounding may decide. */
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
const bytes = (tensor: Tensor) => tensor.to('uint8').toTypedArray() as Uint8Array

function expectMaps(...maps: readonly LinearMap[]): void {
  for (const map of maps) {
    expectObject('a linear map', map)
    expectTensor('its weight', map.weight)
    if (map.bias !== null && map.bias !== undefined) expectTensor('its bias', map.bias)
  }
}
