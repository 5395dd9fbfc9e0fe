import { checkNumbers, expectObject, nonNegative } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor } from '../torch/internal.js'
import type { LinearMap } from './solve/linear-map.js'

/**
 * How much an output may be off by rounding, relative to what is rounded. A sum of products counts as 16 roundings at
 * most.
 */
export interface Rounding {
  /**
   * For the layer's products of inputs and weights: relative to the length of an input times that of a column of the
   * weight.
   */
  readonly products: number
  /** For the model's output: relative to the largest logit. */
  readonly outputs: number
  /** Whether the model takes a softmax, or its logarithm, which rounds once more. */
  readonly softmax: boolean
}

const exact: Rounding = { products: 0, outputs: 0, softmax: false }

/** How far the outputs of a layer move, for each sample in order. */
export interface Drift {
  /** max |Δzᵢ − Δzⱼ|, float64 [N]: the largest change less the smallest. */
  readonly spread: Float64Array
  /** The largest logit before less the second largest, float64 [N]; infinite if there is one class. */
  readonly margin: Float64Array
  /** max |Δz|, float64 [N]. */
  readonly change: Float64Array
  /** ‖Δz‖₂, float64 [N]. */
  readonly norm: Float64Array
  /** 1 if the predicted class changed, [N]. */
  readonly changed: Uint8Array
  /** What rounding may move an output by, before or after the shift, float64 [N]. */
  readonly noise: Float64Array
  /** 1 if rounding may decide which class is predicted, before or after the shift, [N]. */
  readonly undecided: Uint8Array
}

/** A drift of zeros. */
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
 * Measures how far the outputs of a layer move from one map to another, for the samples with inputs `a`, in float64: Δz
 * = a(V* − V) + c* − c.
 *
 * @param a the inputs, [N, m], any floating-point dtype
 * @param before V and c, the layer's map before
 * @param after V* and c*, its map after
 * @param rounding the rounding of the model whose outputs they are. Default: none
 * @returns the drift of each sample
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const a = torch.eye(2)
 * const before = { weight: torch.tensor([[2, 0], [0, 1]]), bias: null }
 * const after = { weight: torch.tensor([[2, 0], [0, 0.5]]), bias: null }
 * console.log(measureDrift(a, before, after).change) // → Float64Array(2) [ 0, 0.5 ]
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

/**
 * What rounding may move an output by, for each sample.
 *
 * @param lengths the length of each sample's input times that of the longest column of the weight, [N]
 * @param largest each sample's largest |logit|, [N]
 * @param classes the number of classes of a softmax
 */
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

function margins(z: Tensor): Tensor {
  if (z.shape[1]! < 2) return torch.full([z.shape[0]!], Number.POSITIVE_INFINITY, { dtype: 'float64' })
  const [best] = z.topk(2, 1)
  return best.select(1, 0).sub(best.select(1, 1))
}

const values = (tensor: Tensor) => tensor.toTypedArray() as Float64Array
const bytes = (tensor: Tensor) => tensor.to('uint8').toTypedArray() as Uint8Array

/** Refuses maps without the tensors of a linear map. */
export function expectMaps(...maps: readonly LinearMap[]): void {
  for (const map of maps) {
    expectObject('a linear map', map)
    expectTensor('its weight', map.weight)
    if (map.bias !== null && map.bias !== undefined) expectTensor('its bias', map.bias)
  }
}
