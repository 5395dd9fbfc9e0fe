import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'

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
   * the probes. NaN for one draw.
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
  /** The parts of the layers, in the order of the model's parameters; for `compareHeads` the last layer comes last. */
  readonly byLayer: readonly LayerPart[]
}

/** Images of a chunk as they were drawn. */
export interface DrawnWeights {
  /** The weight of a draw of each image in the mean over the dataset; 1 for uniform draws. */
  readonly weights: readonly number[]
  /** How often each image was drawn. */
  readonly counts: readonly number[]
}

/** The values of a quantity on images that come in chunks, and their mean. */
export class SampledMean implements Disposable {
  readonly #groups: readonly string[]
  readonly #isExact: boolean
  readonly #weights: number[] = []
  readonly #counts: number[] = []
  /** [probes, images, groups] for each chunk. */
  readonly #values: Tensor[] = []

  /**
   * @param groups the paths of the layers
   * @param isExact whether the values are exact, so that probes have no error
   */
  constructor(groups: readonly string[], isExact: boolean) {
    this.#groups = groups
    this.#isExact = isExact
  }

  /** @param values [probes, images, groups] in float64 */
  add(values: Tensor, { weights, counts }: DrawnWeights): void {
    this.#weights.push(...weights)
    this.#counts.push(...counts)
    this.#values.push(keepTensor(values.clone()))
  }

  /** The sums of the images' values and those of another quantity, which was measured on the same images. */
  plus(other: SampledMean): SampledMean {
    return this.#with(other, 1)
  }

  /** The differences of the images' values and those of another quantity, which was measured on the same images. */
  minus(other: SampledMean): SampledMean {
    return this.#with(other, -1)
  }

  result(): SampledValue {
    return scope(() => {
      const values = this.#all()
      const totals = values.sum([2], true)
      const [whole] = this.#meansOf(totals)
      const perSample = totals.squeeze(2).mean([0])
      const isUniform = this.#weights.every((weight) => weight === 1)
      const draws = this.#counts.reduce((a, b) => a + b, 0)
      const effectiveSamples = isUniform ? draws : this.#effective(perSample, whole!)
      return {
        ...whole!,
        effectiveSamples,
        perSample: perSample.toArray() as number[],
        byLayer: this.#meansOf(values).map(({ value, standardError }, i) => ({
          path: this.#groups[i]!,
          value,
          standardError,
        })),
      }
    })
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#values) tensor.dispose()
  }

  #with(other: SampledMean, factor: number): SampledMean {
    if (String(this.#groups) !== String(other.#groups))
      throw new Error('expected quantities of the same layers')
    const sum = new SampledMean(this.#groups, this.#isExact)
    const drawn = { weights: this.#weights, counts: this.#counts }
    scope(() => sum.add(this.#all().add(other.#all(), { alpha: factor }), drawn))
    return sum
  }

  #all(): Tensor {
    return torch.cat([...this.#values], 1)
  }

  /**
   * The mean over the draws of each column of values [probes, images, columns], with its errors. Draws of the same image share their
   * probes, so that the error of these does not fall with the number of draws.
   */
  #meansOf(values: Tensor): Pick<SampledValue, 'value' | 'standardError' | 'probeStandardError'>[] {
    const [probes, images, columns] = values.shape as [number, number, number]
    const counts = torch.tensor([...this.#counts], { dtype: 'float64' }).view([images, 1])
    const weights = torch.tensor([...this.#weights], { dtype: 'float64' }).view([images, 1])
    const draws = counts.sum().item()
    const weighted = values.mean([0]).mul(weights)
    const means = weighted.mul(counts).sum([0]).div(draws)
    const spread = weighted
      .sub(means)
      .square()
      .mul(counts)
      .sum([0])
      .div(draws * (draws - 1))
    const isKnown = !this.#isExact && probes > 1
    const noise = isKnown
      ? values
          .var(0, { correction: 1 })
          .div(probes)
          .mul(weights.square())
          .div(draws ** 2)
      : torch.zeros([images, columns], { dtype: 'float64' })
    const shared = noise.mul(counts.square().sub(counts)).sum([0])
    const errors = spread.add(shared).sqrt().toArray() as number[]
    const ofProbes = noise.mul(counts.square()).sum([0]).sqrt().toArray() as number[]
    return (means.toArray() as number[]).map((value, i) => ({
      value,
      standardError: draws > 1 ? errors[i]! : Number.NaN,
      probeStandardError: this.#isExact || isKnown ? ofProbes[i]! : null,
    }))
  }

  /** n · Var_u / Var_q: how many uniform draws would have this error. */
  #effective(
    perSample: Tensor,
    { value, standardError }: Pick<SampledValue, 'value' | 'standardError'>,
  ): number {
    const chances = torch.tensor(
      this.#weights.map((weight, i) => weight * this.#counts[i]!),
      { dtype: 'float64' },
    )
    const draws = this.#counts.reduce((a, b) => a + b, 0)
    const uniform = perSample.sub(value).square().mul(chances).sum().item() / draws
    return standardError === 0 ? draws : uniform / standardError ** 2
  }
}
