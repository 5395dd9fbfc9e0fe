import { batchCount, checkNumbers, count, type NumberChecks, wholeSeed } from '../../base/index.js'
import { type Dataset, type RunOptions, sampleIndices } from '../../data/index.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'
import { asLogits, expectAgreement, expectKind, forwardLogits, outputOf, pass } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch, type Value } from '../../torch/index.js'
import type { Classifiers } from './classifiers.js'
import type { WatchedLastLayer } from './last-layer.js'
import { LossSums } from './loss-sums.js'

/** On which images a loss is measured, and how the model runs. */
export interface SurveyOptions extends RunOptions, OutputOptions {
  /**
   * The number of samples whose mean loss is measured, drawn uniformly by the seed; the same as in `hessianTrace`.
   * Default: 512, or all if there are fewer.
   */
  samples?: number
  /** The seed of the samples and, for a landscape, of the directions. Default: 0. */
  seed?: number
  /** How many images one forward takes. Default: 128. */
  chunk?: number
  /** What the model returns: `logits` or `probabilities`. Default: `logits`. */
  outputs?: OutputKind
}

/** The checks of the numbers in {@link SurveyOptions}. */
export const surveyNumbers: NumberChecks<SurveyOptions> = {
  samples: batchCount,
  seed: wholeSeed,
  chunk: count,
}

/** The samples that the options ask for. */
export function surveyedIndices(data: Dataset, options: SurveyOptions): number[] {
  checkNumbers(options, surveyNumbers)
  const { samples = Math.min(512, data.size), seed = 0 } = options
  return sampleIndices(data, { size: samples, sampling: 'uniform', seed })
}

/** What moves in a survey, and what is measured. */
export interface Surveyed {
  /** A copy of the model, in eval mode. */
  readonly copy: ScriptModule
  /** The coordinates of each place; at the first one, all weights are those of the model. */
  readonly places: readonly (readonly number[])[]
  /** Puts the weights of the copy to a place; null if they stay, and only the heads move. */
  readonly moveTo: ((coordinates: readonly number[]) => Promise<void>) | null
  /** Classifiers whose logits are measured in the place of the model's own output; null for the model's own output. */
  readonly heads: { readonly layer: WatchedLastLayer; readonly classifiers: Classifiers } | null
}

/**
 * Measures loss and accuracy at many places. Each batch of images is loaded once and stays in memory while all places
 * are visited, so that the memory does not grow with the number of samples. If only the heads move, a batch takes one
 * forward.
 */
export async function survey(
  { copy, places, moveTo, heads }: Surveyed,
  data: Dataset,
  indices: readonly number[],
  options: SurveyOptions,
): Promise<LossSums> {
  const { chunk = 128, device, outputs = 'logits', output: item, onProgress, signal } = options
  const sums = new LossSums(places.length, heads?.classifiers.count ?? 1)
  const run = { chunk, device, rounds: places.length, onProgress, signal }
  for await (const { images, labels, roundDone } of pass(copy, data, indices, run)) {
    await scope(async () => {
      const placed = inLayoutOf(copy, images)
      if (sums.images === 0) await look(placed)
      sums.count(placed.shape[0]!)
      const still = moveTo === null ? await forward(placed) : null
      for (const [place, coordinates] of places.entries()) {
        signal?.throwIfAborted()
        await scope(async () => {
          await moveTo?.(coordinates)
          const result = still ?? (await forward(placed))
          const logits = heads === null ? result : await heads.classifiers.logits(result, coordinates)
          sums.add(place, logits, labels)
        })
        roundDone()
      }
    })
  }
  return sums

  /** Checks what the model returns where its weights are its own. At other places it may be NaN. */
  async function look(images: Tensor): Promise<void> {
    await scope(async () => {
      await moveTo?.(places[0]!)
      const output = await forwardLogits(copy, images, item)
      expectKind(output, outputs)
      expectAgreement(copy, data, output.shape[1]!)
      if (heads === null) return
      const own = await heads.classifiers.logits(heads.layer.expectInputs(images.shape[0]!), places[0]!)
      heads.layer.expectOutput(own.select(1, 0), output)
    })
  }

  /** The inputs of the heads, [N, m]; without heads, the logits, [N, 1, classes]. Both are in float64. */
  async function forward(images: Tensor): Promise<Tensor> {
    const output = await copy.forward<Value>(images)
    if (heads !== null) return heads.layer.expectInputs(images.shape[0]!)
    return asLogits(outputOf(output, item) as Tensor, outputs)
      .to('float64')
      .unsqueeze(1)
  }
}

/** Convolutions in channels_last are faster, if the images are so too. */
function inLayoutOf(copy: ScriptModule, images: Tensor): Tensor {
  if (images.ndim !== 4 || !hasConvolutions(copy)) return images
  return images.contiguous({ memory_format: 'channels_last' })
}

/** A copy of a model for a survey. Its convolutions are in channels_last. */
export async function copyToMove(held: ScriptModule): Promise<ScriptModule> {
  const copy = await held.clone()
  try {
    if (copy.training) copy.eval()
    return hasConvolutions(copy) ? await copy.to({ memoryFormat: 'channels_last' }) : copy
  } catch (error) {
    copy.dispose()
    throw error
  }
}

function hasConvolutions(model: ScriptModule): boolean {
  return scope(() => model.parameters().some(({ shape }) => shape.length === 4))
}

/** Runs what needs no gradients, and frees its tensors. */
export function withoutGradients<T>(body: () => Promise<T>): Promise<T> {
  return torch.noGrad(() => scope(body))
}
