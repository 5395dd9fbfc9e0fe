import type { Dataset } from '../../data/index.js'
import { expectAgreement, pass } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'
import { expectReach } from '../gradient-reach.js'
import type { DrawnImages } from './draw-images.js'
import { ImageGradients, type Recorded } from './image-gradients.js'
import { type ImageTerm, sumTerms } from './image-terms.js'
import type { PerSampleOptions } from './per-sample-options.js'
import { SampledMean } from './sampled-mean.js'

/** What is measured of each image. */
export interface Measurement {
  /** A view in eval mode. */
  readonly model: ScriptModule
  readonly dataset: Dataset
  readonly drawn: DrawnImages
  /** The parameters whose gradients count, by name. */
  readonly counted: ReadonlyMap<string, Tensor>
  readonly options: PerSampleOptions
  /** How many quantities of each image are measured. */
  readonly quantities: number
  /** The path of a submodule whose inputs `terms` needs. */
  readonly watch?: string
  /** The squared norms that make the quantities of the images of a forward. */
  terms(recorded: Recorded, generator: Generator): ImageTerms
}

/** The terms of a chunk. */
export interface ImageTerms {
  /** The tensor at which the vectors of the terms are gradients. */
  readonly target: Tensor
  readonly terms: readonly ImageTerm[]
  /** A part of each quantity that is known exactly, [images] each, and the path of the layer that it belongs to. */
  readonly known?: { readonly path: string; readonly values: readonly Tensor[] }
}

/** The quantities, and the images that they were measured on. */
export interface MeasuredImages {
  /** The caller disposes of them. */
  readonly values: readonly SampledMean[]
  readonly indices: readonly number[]
  readonly weights: readonly number[]
  readonly oneByOne: string | null
  readonly withoutGradient: readonly string[]
}

/** Measures quantities of each image, by the rules of the layers, or without them if they do not hold for this model. */
export async function measureImages(measurement: Measurement): Promise<MeasuredImages> {
  const byRules = await attempt(measurement, null)
  return typeof byRules === 'string' ? ((await attempt(measurement, byRules)) as MeasuredImages) : byRules
}

/** The quantities; or why the rules do not hold, if they were used. */
async function attempt(measurement: Measurement, doubt: string | null): Promise<MeasuredImages | string> {
  const { model, dataset, drawn, counted, options, quantities, watch } = measurement
  const { chunk = 32, device, onProgress, signal, seed = 0, output } = options
  const probes = options.probes === 'exact' ? 1 : (options.probes ?? 2)
  const generator = new torch.Generator(seed)
  using gradients = new ImageGradients(model, counted, {
    rules: doubt === null,
    ...(watch !== undefined && { watch }),
  })
  const { others } = gradients
  const drawOf = new Map(drawn.indices.map((index, i) => [index, i]))
  const pick = (values: readonly number[], indices: readonly number[]) =>
    indices.map((index) => values[drawOf.get(index)!]!)
  const loaded: number[] = []
  let sums: SampledMean[] | undefined
  let withoutGradient: readonly string[] | undefined
  const run = { chunk: others.length > 0 ? 1 : chunk, device, onProgress, signal }
  for await (const batch of pass(model, dataset, drawn.indices, run)) {
    const why = await torch.noGrad(() =>
      scope(async () => {
        const recorded = await gradients.forward(batch.images, output)
        withoutGradient ??= await expectReach(model, counted, recorded.output, options.parameters)
        const { target, terms, known } = measurement.terms(recorded, generator)
        if (sums === undefined) expectAgreement(model, dataset, recorded.output.shape[1]!)
        if (sums === undefined && doubt === null && others.length < counted.size && terms.length > 0) {
          const found = await gradients.doubt(target)
          if (found !== null) return found
        }
        const values = await sumTerms(gradients, target, terms, { quantities, probes }, signal)
        const groups = known === undefined ? gradients.groups : [...gradients.groups, known.path]
        sums ??= values.map(() => new SampledMean(groups, options.probes === 'exact'))
        const own = { weights: pick(drawn.weights, batch.indices), counts: pick(drawn.counts, batch.indices) }
        for (const [i, sum] of sums.entries()) sum.add(withKnown(values[i]!, known?.values[i]), own)
        return null
      }),
    )
    if (why !== null) return why
    loaded.push(...batch.indices)
  }
  return {
    values: sums!,
    indices: loaded,
    weights: normalised(pick(drawn.weights, loaded), pick(drawn.counts, loaded)),
    oneByOne: doubt ?? (others.length === 0 ? null : whyOneByOne(others)),
    withoutGradient: withoutGradient ?? [],
  }
}

/** Weights with which the mean over the images, each once, is that over the draws. */
function normalised(weights: readonly number[], counts: readonly number[]): number[] {
  const draws = counts.reduce((a, b) => a + b, 0)
  return weights.map((weight, i) => (weight * counts[i]! * weights.length) / draws)
}

/** The values with one more group, whose part each probe has. */
function withKnown(values: Tensor, known: Tensor | undefined): Tensor {
  if (known === undefined) return values
  const [probes, images] = values.shape as [number, number]
  const part = known.to({ device: 'cpu' }).view([1, images, 1]).expand([probes, images, 1])
  return torch.cat([values, part], 2)
}

function whyOneByOne(others: readonly string[]): string {
  const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
  return `there is no rule for the layers of ${others.slice(0, 3).join(', ')}${more}`
}
