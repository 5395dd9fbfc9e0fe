import {
  batchCount,
  checkNumbers,
  count,
  expectObject,
  type NumberChecks,
  nonNegative,
  positive,
  wholeSeed,
} from '../../base/index.js'
import { type Dataset, type Progress, type RunOptions, sampleIndices } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'
import { asLogits, expectAgreement, expectKind, forwardLogits, pass } from '../../model/internal.js'
import { keepTensor, type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { fullPrecisionCopy } from '../full-precision.js'
import { expectReach } from '../gradient-reach.js'
import { chosenParameters } from '../operators/chosen-parameters.js'

/** What a sharpness in a neighbourhood of the weights is measured on. */
export interface NeighbourhoodOptions extends RunOptions, OutputOptions {
  /** The radius ρ of the neighbourhood. Default: 0.05; with `adaptive` 0.5. */
  rho?: number
  /**
   * Whether the radius is relative to the weights, as in `asam`: δ = Tε with ‖ε‖ ≤ ρ, where T is |w| + η for parameters named `weight` and 1 for
   * all others. The result then does not depend on how scale is divided among layers. Default: false.
   */
  adaptive?: boolean
  /** η, which is added to |w| with `adaptive`. Default: 0.01. */
  eta?: number
  /** The number of samples whose mean loss is measured, drawn uniformly by the seed. Default: 512, or all if there are fewer. */
  samples?: number
  /** The seed of the samples, and of random directions. Default: 0. */
  seed?: number
  /** How many samples one forward takes. Default: 128. */
  chunk?: number
  /** What the model returns: `logits` or `probabilities`. Default: `logits`. */
  outputs?: OutputKind
  /** The parameters that are perturbed, a name or a pattern as for `hessian`. Default: all that require gradients. */
  parameters?: string
}

/** How much the loss rises near the weights. */
export interface NeighbourhoodSharpness {
  /** The rise of the mean loss. */
  readonly sharpness: number
  /** Its standard error over the images: the standard deviation of their rises / √images; NaN for one image. */
  readonly standardError: number
  /** The mean loss at the weights. */
  readonly loss: number
  /** The rise of each image's loss, in the order of `indices`. Two models that were measured with the same options can be paired by it. */
  readonly perImage: readonly number[]
  /** The indices of the images in the dataset, without those that could not be read. */
  readonly indices: readonly number[]
  /** The number of samples that were asked for. */
  readonly samples: number
  /** The radius ρ. */
  readonly rho: number
  /** Whether the radius is relative to the weights. */
  readonly adaptive: boolean
  /** The number of the weights that were perturbed. */
  readonly size: number
}

/** The checks of the numbers in {@link NeighbourhoodOptions}. */
export const neighbourhoodNumbers: NumberChecks<NeighbourhoodOptions> = {
  rho: positive,
  eta: nonNegative,
  samples: batchCount,
  seed: wholeSeed,
  chunk: count,
}

/** Samples of a dataset, and a copy of a model whose weights can be moved. */
export class PerturbedModel {
  readonly rho: number
  readonly adaptive: boolean
  readonly samples: number
  /** The number of the weights that are moved. */
  readonly size: number
  /** The indices of the images that were loaded, once a pass was made. */
  loaded: number[] = []
  readonly #copy: ScriptModule
  readonly #dataset: Dataset
  readonly #indices: readonly number[]
  readonly #options: NeighbourhoodOptions
  readonly #parameters: ReadonlyMap<string, Tensor>
  /** The weights as they were. */
  readonly #origin: readonly Tensor[]
  /** T, for each parameter; null if it is 1. */
  readonly #scales: readonly (Tensor | null)[]
  readonly #total: number
  #done = 0
  #isReached = false

  /** @param passes how many passes over the samples will be made, for the progress */
  static async of(
    model: ScriptModule,
    dataset: Dataset,
    options: NeighbourhoodOptions,
    passes: number,
  ): Promise<PerturbedModel> {
    expectModule('model', model)
    expectDataset('dataset', dataset)
    expectObject('options', options)
    checkNumbers(options, neighbourhoodNumbers)
    const { samples = Math.min(512, dataset.size), seed = 0 } = options
    const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
    using held = model.view({ eval: true })
    const copy = (await fullPrecisionCopy(held)) ?? (await held.clone())
    return scope(() => new PerturbedModel(copy, dataset, indices, options, passes))
  }

  private constructor(
    copy: ScriptModule,
    dataset: Dataset,
    indices: readonly number[],
    options: NeighbourhoodOptions,
    passes: number,
  ) {
    const { adaptive = false, eta = 0.01 } = options
    this.#copy = copy
    this.#dataset = dataset
    this.#indices = indices
    this.#options = options
    this.adaptive = adaptive
    this.rho = options.rho ?? (adaptive ? 0.5 : 0.05)
    this.samples = indices.length
    this.#total = passes * indices.length
    this.#parameters = chosenParameters(copy, options.parameters)
    const all = [...this.#parameters]
    this.size = all.reduce((sum, [, parameter]) => sum + parameter.numel(), 0)
    this.#origin = all.map(([, parameter]) => keepTensor(parameter.detach().clone()))
    this.#scales = all.map(([name], i) =>
      adaptive && /(^|\.)weight$/.test(name) ? keepTensor(this.#origin[i]!.abs().add_(eta)) : null,
    )
    for (const [, parameter] of all) keepTensor(parameter)
  }

  /** Moves the weights to w + Tε. @param direction ε, one tensor for each parameter; null for w itself */
  moveTo(direction: readonly Tensor[] | null): void {
    torch.noGrad(() =>
      scope(() => {
        for (const [i, parameter] of [...this.#parameters.values()].entries()) {
          parameter.copy_(this.#origin[i]!)
          if (direction !== null) parameter.add_(this.#scaled(direction[i]!, i))
        }
      }),
    )
  }

  /** A vector [size] as one tensor for each parameter, of its shape and dtype. */
  split(vector: Tensor): Tensor[] {
    const sizes = this.#origin.map((tensor) => tensor.numel())
    return vector
      .split_with_sizes(sizes)
      .map((part, i) => part.view(this.#origin[i]!.shape).to(this.#origin[i]!))
  }

  /** The loss of each image at the present weights. */
  async losses(): Promise<number[]> {
    return torch.noGrad(() => this.#pass(async (losses) => losses.toArray() as number[]))
  }

  /** The loss of each image, and the gradient of their mean with respect to ε, one tensor for each parameter. The caller frees them. */
  async gradient(): Promise<{ losses: number[]; gradient: Tensor[] }> {
    const parameters = [...this.#parameters.values()]
    const sums = this.#origin.map((tensor) => torch.zeros_like(tensor))
    const losses = await torch.enableGrad(() =>
      this.#pass(async (losses) => {
        const gradients = await torch.autograd.grad([losses.sum()], parameters, { allowUnused: true })
        for (const [i, gradient] of gradients.entries()) if (gradient !== null) sums[i]!.add_(gradient)
        return losses.detach().toArray() as number[]
      }),
    )
    scope(() => {
      for (const [i, sum] of sums.entries()) sum.copy_(this.#scaled(sum, i)).div_(losses.length)
    })
    return { losses, gradient: sums }
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.#parameters.values(), ...this.#origin, ...this.#scales]) tensor?.dispose()
    this.#copy.dispose()
  }

  #scaled(tensor: Tensor, i: number): Tensor {
    const scale = this.#scales[i]
    return scale ? tensor.mul(scale) : tensor
  }

  async #pass(work: (losses: Tensor) => Promise<number[]>): Promise<number[]> {
    const { chunk = 128, device, onProgress, signal, output: item, outputs = 'logits' } = this.#options
    const run = {
      ...{ chunk, device, signal },
      onProgress: ({ done }: Progress) => onProgress?.({ done: this.#done + done, total: this.#total }),
    }
    const all: number[] = []
    const loaded: number[] = []
    for await (const batch of pass(this.#copy, this.#dataset, this.#indices, run)) {
      loaded.push(...batch.indices)
      const losses = await scope(async () => {
        const output = await forwardLogits(this.#copy, batch.images, item)
        if (all.length === 0) await this.#check(output, outputs)
        const logits = asLogits(output, outputs).to('float64')
        return await work(torch.cross_entropy_loss(logits, batch.labels, { reduction: 0 }))
      })
      all.push(...losses)
    }
    this.#done += this.#indices.length
    this.loaded = loaded
    return all
  }

  async #check(output: Tensor, outputs: OutputKind): Promise<void> {
    expectAgreement(this.#copy, this.#dataset, output.shape[1]!)
    expectKind(output, outputs)
    if (this.#isReached || !torch.isGradEnabled()) return
    await expectReach(this.#copy, this.#parameters, output, this.#options.parameters)
    this.#isReached = true
  }
}
