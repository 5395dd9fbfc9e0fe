import { SosError, whole } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor } from '../torch/internal.js'

/** The scores of each image; everything else is computed from them. All lists have the same length. */
export interface SampleScores {
  /** The class with the largest logit; of several the first. */
  readonly predictions: Int32Array
  /**
   * How many classes come before the label: those with a larger logit, and those with an equal logit and a smaller index. 0 means that the
   * prediction is correct, and below 5 that the label is among the top five. If the logit of the label or of another class is NaN, that other
   * class counts as before the label.
   */
  readonly ranks: Int32Array
  /** The cross-entropy in nats: −log of the label's softmax. */
  readonly losses: Float64Array
  /** The largest softmax of the image. */
  readonly confidences: Float64Array
}

/** The images whose confidence is in one interval. */
export interface ReliabilityBin {
  /** The number of these images. */
  readonly count: number
  /** Their mean confidence, in [0, 1]; null if there are none. */
  readonly confidence: number | null
  /** The share of correct predictions, in [0, 1]; null if there are none. */
  readonly accuracy: number | null
}

/** How well a classifier does on some images. */
export interface Score {
  /** The number of images. */
  readonly images: number
  /** The percentage of images whose label has the largest logit. */
  readonly top1: number
  /** The percentage of images whose label is among the five largest logits; null if there are fewer than five classes. */
  readonly top5: number | null
  /** The mean cross-entropy in nats. */
  readonly loss: number
  /**
   * The expected calibration error, in [0, 1]: Σ |B|/N · |accuracy(B) − confidence(B)| over the bins B (Guo et al. 2017, "On Calibration of
   * Modern Neural Networks", equation 3, with 15 bins as there).
   */
  readonly calibrationError: number
  /** The 15 bins: bin i has the confidences in (i/15, (i + 1)/15]. */
  readonly reliability: readonly ReliabilityBin[]
  /** The predicted class of each image, in the order of the images. */
  readonly predictions: Int32Array
  /** For each image 1 if the prediction is its label, else 0. */
  readonly correct: Uint8Array
}

const binCount = 15

/**
 * Computes accuracy, cross-entropy and calibration of logits. The computation is in float64.
 *
 * @param logits floating-point [N, classes], on any device
 * @param labels int64 [N], on the same device, each the index of a class
 * @returns the scores
 * @throws `ERR_SHAPE` if the shapes do not fit, `ERR_INVALID_ARGUMENT`
 * @example
 * const score = scoreLogits(torch.tensor([[2, 0], [0, 1]]), torch.tensor([0, 0], { dtype: 'int64' }))
 * console.log(score.top1, score.predictions) // → 50 Int32Array(2) [ 0, 1 ]
 */
export function scoreLogits(logits: Tensor, labels: Tensor): Score {
  expectTensor('logits', logits)
  expectTensor('labels', labels)
  const sums = new ScoreSums(logits.shape[1] ?? 0)
  sums.add(sampleScores(logits, labels))
  return sums.score()
}

/**
 * Computes the scores of each image. {@link ScoreSums} adds them up batch by batch. This waits for the device once.
 *
 * @param logits floating-point [N, classes], on any device
 * @param labels int64 [N], on the same device, each the index of a class
 * @returns prediction, rank, loss and confidence of each image
 * @throws `ERR_SHAPE` if the shapes do not fit, `ERR_INVALID_ARGUMENT`
 * @example
 * const scores = sampleScores(torch.tensor([[2, 0], [0, 1]]), torch.tensor([0, 0], { dtype: 'int64' }))
 * console.log(scores.ranks) // → Int32Array(2) [ 0, 1 ]
 */
export function sampleScores(logits: Tensor, labels: Tensor): SampleScores {
  expectTensor('logits', logits)
  expectTensor('labels', labels)
  const [images, classes] = logits.shape
  if (logits.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== images) {
    throw new SosError(
      'ERR_SHAPE',
      `expected logits [N, classes] and labels [N] but received [${logits.shape.join(', ')}] and [${labels.shape.join(', ')}]`,
    )
  }
  const columns = scope(() => {
    const values = logits.detach().to('float64')
    const label = labels.unsqueeze(1)
    const own = values.gather(1, label)
    const beaten = values.le(own).logical_not() // also where either is NaN
    const tied = values.eq(own).logical_and_(torch.arange(classes!, { device: labels.device }).lt(label))
    const logSoftmax = values.log_softmax(1)
    return torch
      .stack([
        values.argmax(1).to('float64'),
        beaten.logical_or_(tied).sum([1]).to('float64'),
        logSoftmax.gather(1, label).squeeze(1).neg(),
        logSoftmax.amax([1]).exp(),
      ])
      .toTypedArray() as Float64Array
  })
  const column = (i: number) => columns.subarray(i * images!, (i + 1) * images!)
  return {
    predictions: Int32Array.from(column(0)),
    ranks: Int32Array.from(column(1)),
    losses: column(2),
    confidences: column(3),
  }
}

/** Adds up the scores of images, batch by batch. The lists in the {@link Score} are in the order in which the batches were added. */
export class ScoreSums {
  readonly #classes: number
  readonly #predictions: Int32Array[] = []
  readonly #correct: Uint8Array[] = []
  readonly #bins = Array.from({ length: binCount }, () => ({ count: 0, confidence: 0, correct: 0 }))
  #images = 0
  #top5 = 0
  #loss = 0

  /**
   * @param classes the number of logits of an image
   * @throws `ERR_INVALID_ARGUMENT`
   */
  constructor(classes: number) {
    whole(0)('classes', classes)
    this.#classes = classes
  }

  /** Adds the scores of a batch, from {@link sampleScores}. */
  add({ predictions, ranks, losses, confidences }: SampleScores): void {
    const correct = Uint8Array.from(ranks, (rank) => (rank === 0 ? 1 : 0))
    this.#predictions.push(predictions)
    this.#correct.push(correct)
    this.#images += ranks.length
    for (let i = 0; i < ranks.length; i++) {
      if (ranks[i]! < 5) this.#top5++
      this.#loss += losses[i]!
      const bin = this.#bins[binOf(confidences[i]!)]!
      bin.count++
      bin.confidence += confidences[i]!
      bin.correct += correct[i]!
    }
  }

  /** The score of all images that were added; its figures are NaN if there are none. */
  score(): Score {
    const images = this.#images
    const right = this.#bins.reduce((sum, bin) => sum + bin.correct, 0)
    const gaps = this.#bins.map((bin) => Math.abs(bin.correct - bin.confidence))
    return {
      images,
      top1: (100 * right) / images,
      top5: this.#classes >= 5 ? (100 * this.#top5) / images : null,
      loss: this.#loss / images,
      calibrationError: gaps.reduce((sum, gap) => sum + gap, 0) / images,
      reliability: this.#bins.map(({ count, confidence, correct }) => ({
        count,
        confidence: count > 0 ? confidence / count : null,
        accuracy: count > 0 ? correct / count : null,
      })),
      predictions: concatenate(Int32Array, this.#predictions, images),
      correct: concatenate(Uint8Array, this.#correct, images),
    }
  }
}

/** The bin (i/15, (i + 1)/15] of a confidence. NaN goes into the first bin and makes its figures NaN, as it should. */
function binOf(confidence: number): number {
  if (!(confidence > 0)) return 0
  const near = Math.min(binCount, Math.ceil(confidence * binCount)) - 1 // off by one if the product was rounded
  if (confidence <= near / binCount) return near - 1
  return confidence > (near + 1) / binCount && near + 1 < binCount ? near + 1 : near
}

function concatenate<T extends Int32Array | Uint8Array>(
  Type: new (length: number) => T,
  parts: readonly T[],
  length: number,
): T {
  const whole = new Type(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
