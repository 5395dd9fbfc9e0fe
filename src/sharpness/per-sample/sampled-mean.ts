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

/** The values of a quantity on images that come in chunks, and their mean. */
export class SampledMean implements Disposable {
  readonly #groups: readonly string[]
  readonly #isExact: boolean
  readonly #weights: number[] = []
  /** The value of each probe and image, [probes, images] for each chunk. */
  readonly #each: Tensor[] = []
  /** The part of each layer, [images, groups] for each chunk: the mean over the probes. */
  readonly #ofGroups: Tensor[] = []

  /**
   * @param groups the paths of the layers
   * @param isExact whether the values are exact, so that probes have no error
   */
  constructor(groups: readonly string[], isExact: boolean) {
    this.#groups = groups
    this.#isExact = isExact
  }

  /**
   * @param values [probes, images, groups] in float64
   * @param weights the weight of each image in the mean over the dataset; 1 for uniform draws
   */
  add(values: Tensor, weights: readonly number[]): void {
    this.#weights.push(...weights)
    this.#each.push(keepTensor(values.sum([2])))
    this.#ofGroups.push(keepTensor(values.mean([0])))
  }

  /** The differences of the images' values, which were measured on the same images. */
  minus(other: SampledMean): SampledMean {
    const difference = new SampledMean(this.#groups, this.#isExact)
    difference.#weights.push(...this.#weights)
    const subtract = (own: readonly Tensor[], others: readonly Tensor[], axis: number) =>
      keepTensor(scope(() => torch.cat([...own], axis).sub(torch.cat([...others], axis))))
    difference.#each.push(subtract(this.#each, other.#each, 1))
    difference.#ofGroups.push(subtract(this.#ofGroups, other.#ofGroups, 0))
    return difference
  }

  result(): SampledValue {
    return scope(() => {
      const each = torch.cat([...this.#each], 1)
      const [probes, n] = each.shape as [number, number]
      const weights = torch.tensor([...this.#weights], { dtype: 'float64' })
      const values = each.mean([0])
      const weighted = values.mul(weights)
      const value = weighted.mean().item()
      const standardError = errorOf(weighted.unsqueeze(1))[0]!
      const uniform = values.sub(value).square().mul(weights).mean().item()
      const isUniform = this.#weights.every((weight) => weight === 1)
      const noise = () => each.var(0, { correction: 1 }).div(probes).mul(weights.square()).sum().item()
      const probeStandardError = probes > 1 ? Math.sqrt(noise()) / n : null
      const ofGroups = torch.cat([...this.#ofGroups], 0).mul(weights.unsqueeze(1))
      const [parts, errors] = [ofGroups.mean([0]).toArray() as number[], errorOf(ofGroups)]
      return {
        value,
        standardError,
        probeStandardError: this.#isExact ? 0 : probeStandardError,
        effectiveSamples: isUniform || standardError === 0 ? n : uniform / standardError ** 2,
        perSample: values.toArray() as number[],
        byLayer: this.#groups.map((path, i) => ({ path, value: parts[i]!, standardError: errors[i]! })),
      }
    })
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.#each, ...this.#ofGroups]) tensor.dispose()
  }
}

/** The standard errors of the means of the columns, [n, columns]; NaN for one row. */
function errorOf(values: Tensor): number[] {
  const [n, columns] = values.shape as [number, number]
  // libtorch would print a warning on stderr.
  if (n < 2) return Array.from({ length: columns }, () => Number.NaN)
  return values.var(0, { correction: 1 }).div(n).sqrt().toArray() as number[]
}
