import { meanWithError } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'

/** The part of a layer in a quantity. */
export interface LayerPart {
  /** The path of the submodule whose parameters these are; '' is the root. */
  readonly path: string
  /** The part. */
  readonly value: number
  /** Its standard error over the images. */
  readonly standardError: number
}

/** The mean of a quantity over images, with what is known about its error. */
export interface SampledValue {
  /** The estimate of the mean over all images of the dataset. */
  readonly value: number
  /**
   * How far another draw of images would be off: the standard deviation of the images' values divided by √n. It contains the error of
   * the probes.
   */
  readonly standardError: number
  /** The error of the random probes alone, for these images: 0 if the values are exact; null for one probe, which does not show it. */
  readonly probeStandardError: number | null
  /**
   * How many images, drawn uniformly, would give the same standard error. It is the number of images for uniform draws.
   */
  readonly effectiveSamples: number
  /** The value of each image, in the order of the indices: the mean over its probes. */
  readonly perSample: readonly number[]
  /** The parts of the layers, in the order of the model's parameters. */
  readonly byLayer: readonly LayerPart[]
}

/** Adds up a quantity of images that come in chunks. */
export class SampledMean {
  readonly #groups: readonly string[]
  readonly #isExact: boolean
  readonly #perSample: number[] = []
  readonly #weights: number[] = []
  /** Σ w²s² over the images, where s² is the variance of the probes of an image divided by their number. */
  #noise = 0
  #probes = 0
  readonly #sums: Float64Array
  readonly #squares: Float64Array

  constructor(groups: readonly string[], isExact: boolean) {
    this.#groups = groups
    this.#isExact = isExact
    this.#sums = new Float64Array(groups.length)
    this.#squares = new Float64Array(groups.length)
  }

  /**
   * @param values [probes, images, groups] in float64
   * @param weights the weight of each image in the mean over the dataset; 1 for uniform draws
   */
  add(values: Tensor, weights: readonly number[]): void {
    scope(() => {
      const [probes, images, groups] = values.shape as [number, number, number]
      this.#probes = probes
      const each = values.sum([2])
      this.#perSample.push(...(each.mean([0]).toArray() as number[]))
      this.#weights.push(...weights)
      const weight = torch.tensor([...weights], { dtype: 'float64' })
      if (probes > 1 && !this.#isExact) {
        const variance = each
          .sub(each.mean([0]))
          .square()
          .sum([0])
          .div((probes - 1) * probes)
        this.#noise += variance.dot(weight.square()).item()
      }
      const ofGroups = values.mean([0]).mul(weight.view([images, 1]))
      const [sums, squares] = [
        ofGroups.sum([0]).toArray(),
        ofGroups.square().sum([0]).toArray(),
      ] as number[][]
      for (let i = 0; i < groups; i++) {
        this.#sums[i]! += sums![i]!
        this.#squares[i]! += squares![i]!
      }
    })
  }

  result(): SampledValue {
    const n = this.#perSample.length
    const weighted = this.#perSample.map((value, i) => value * this.#weights[i]!)
    const { mean, standardError } =
      n > 1 ? meanWithError(weighted) : { mean: weighted[0]!, standardError: NaN }
    const ofOne = this.#perSample.reduce((sum, value, i) => sum + this.#weights[i]! * (value - mean) ** 2, 0)
    const isUniform = this.#weights.every((weight) => weight === 1)
    const isKnown = this.#isExact || this.#probes > 1
    return {
      value: mean,
      standardError,
      probeStandardError: this.#isExact ? 0 : isKnown ? Math.sqrt(this.#noise) / n : null,
      effectiveSamples: isUniform || standardError === 0 ? n : ofOne / n / standardError ** 2,
      perSample: this.#perSample,
      byLayer: this.#groups.map((path, i) => {
        const value = this.#sums[i]! / n
        const spread = Math.max(0, this.#squares[i]! / n - value ** 2)
        return { path, value, standardError: n > 1 ? Math.sqrt(spread / (n - 1)) : NaN }
      }),
    }
  }
}
