import { type Dataset, sampleIndices } from '../../data/index.js'
import { forwardLogits, pass } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import type { PerSampleOptions } from './per-sample-options.js'

/** Images that were drawn, each once. */
export interface DrawnImages {
  readonly indices: readonly number[]
  /** The weight of a draw of each image in the mean over the dataset; 1 for uniform draws. */
  readonly weights: readonly number[]
  /** How often each image was drawn. */
  readonly counts: readonly number[]
}

/** The share of the draws by confidence that are uniform, so that no weight exceeds ten. */
const uniformShare = 0.1

/** A model, and the score of each image of a chunk, [n], from its output. */
export interface Scorer {
  readonly model: ScriptModule
  score(output: Tensor): Tensor
}

/**
 * Draws images.
 *
 * @param scorers for draws by confidence: the score of an image is the sum of what these give
 * @throws `ERR_BATCH_SIZE`; `ERR_DATASET` if every image was skipped
 */
export async function drawImages(
  dataset: Dataset,
  options: PerSampleOptions & { samples: number },
  scorers: readonly Scorer[],
): Promise<DrawnImages> {
  const { samples, sampling, seed = 0 } = options
  if (sampling === 'confidence') return await drawByScore(dataset, options, scorers)
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  const ones = indices.map(() => 1)
  return { indices, weights: ones, counts: ones }
}

/**
 * Draws images with replacement. Nine of ten draws are in proportion to a score, such as 1 − ‖p‖², on which an image's trace mostly
 * depends; the others are uniform, so that an image with a small score and a large trace cannot spoil the mean (Hesterberg 1995). An
 * image that has the probability q has the weight 1/(Nq). An image that is drawn several times is measured once.
 */
async function drawByScore(
  dataset: Dataset,
  options: PerSampleOptions & { samples: number },
  scorers: readonly Scorer[],
): Promise<DrawnImages> {
  const { samples, seed = 0 } = options
  const scores = new Map<number, number>()
  for (const scorer of scorers) {
    for await (const { index, score } of scoresOf(scorer, dataset, options)) {
      scores.set(index, (scores.get(index) ?? 0) + score)
    }
  }
  const loaded = [...scores.keys()]
  return scope(() => {
    const found = torch.tensor([...scores.values()], { dtype: 'float64' })
    const total = found.sum().item()
    const even = 1 / loaded.length
    const byScore = total > 0 ? found.div(total) : torch.full_like(found, even)
    const chances = byScore.mul(1 - uniformShare).add(uniformShare * even)
    const generator = new torch.Generator(seed)
    const places = torch.multinomial(chances, samples, { replacement: true, generator })
    const counts = places.bincount(null, loaded.length)
    const drawn = counts.nonzero().squeeze(1)
    const numbers = (tensor: Tensor) =>
      Array.from(tensor.index_select(0, drawn).toArray() as number[], Number)
    return {
      indices: Array.from(drawn.toTypedArray() as BigInt64Array, (place) => loaded[Number(place)]!),
      weights: numbers(chances.mul(loaded.length).reciprocal()),
      counts: numbers(counts),
    }
  })
}

/** The score of each image of the dataset that can be read. */
async function* scoresOf({ model, score }: Scorer, dataset: Dataset, options: PerSampleOptions) {
  const { chunk = 128, device, onProgress, signal, output } = options
  const all = Array.from({ length: dataset.size }, (_, i) => i)
  for await (const batch of pass(model, dataset, all, { chunk, device, onProgress, signal })) {
    const scores = await torch.noGrad(() =>
      scope(async () => {
        const found = score(await forwardLogits(model, batch.images, output))
        return found.to({ device: 'cpu', dtype: 'float64' }).toArray() as number[]
      }),
    )
    for (const [i, index] of batch.indices.entries()) yield { index, score: scores[i]! }
  }
}
