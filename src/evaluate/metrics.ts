import { SosError, whole } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { expectTensor } from '../torch/internal.js'

/** What is told of each image by itself; everything else is summed from these. All lists are as long. */
export interface SampleScores {
  /** The class with the largest logit, the first of equal ones. */
  readonly predictions: Int32Array
  /**
   * How many classes come before the right one: those with a larger logit, and those before it with an equal one. 0 is
   * right, below 5 is among the top five. Where the label's logit or a rival's is no number it counts as beaten.
   */
  readonly ranks: Int32Array
  /** Cross-entropy in nats: −log of the right class's softmax. */
  readonly losses: Float64Array
  /** The largest softmax. */
  readonly confidences: Float64Array
}

/** The images whose confidence lies in one interval. */
export interface ReliabilityBin {
  readonly count: number
  /** Their mean confidence, in [0, 1]; null where there are none. */
  readonly confidence: number | null
  /** Their share of right predictions, in [0, 1]; null where there are none. */
  readonly accuracy: number | null
}

/** How well a classifier does on some images. */
export interface Score {
  readonly images: number
  /** Images whose class has the largest logit, in per cent. */
  readonly top1: number
  /** Images whose class is among the five largest logits, in per cent; null where there are fewer than five classes. */
  readonly top5: number | null
  /** Mean cross-entropy in nats. */
  readonly loss: number
  /**
   * Expected calibration error, in [0, 1]: Σ |B|/N · |accuracy(B) − confidence(B)| over the bins B (Guo et al. 2017, "On
   * Calibration of Modern Neural Networks", equation 3; 15 bins as there).
   */
  readonly calibrationError: number
  /** Those bins: of (i/15, (i + 1)/15] for i from 0 to 14. */
  readonly reliability: readonly ReliabilityBin[]
  /** The class predicted for each image, in the order in which they came. */
  readonly predictions: Int32Array
  /** For each image 1 where that is its label, else 0. */
  readonly correct: Uint8Array
}

const binCount = 15

/**
 * Scores logits against labels.
 *
 * @param logits floating-point [N, classes], on any device; computed with in float64
 * @param labels int64 [N], on the same device, each a class
 * @throws `ERR_SHAPE`
 */
export function scoreLogits(logits: Tensor, labels: Tensor): Score {
  expectTensor('logits', logits)
  expectTensor('labels', labels)
  const sums = new ScoreSums(logits.shape[1] ?? 0)
  sums.add(sampleScores(logits, labels))
  return sums.score()
}

/** What {@link scoreLogits} says of each image; its arguments are as there. The device is waited for once. */
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

/** Sums scores batch by batch; the order of the batches is that of the lists in the {@link Score}. */
export class ScoreSums {
  readonly #classes: number
  readonly #predictions: Int32Array[] = []
  readonly #correct: Uint8Array[] = []
  readonly #bins = Array.from({ length: binCount }, () => ({ count: 0, confidence: 0, correct: 0 }))
  #images = 0
  #top5 = 0
  #loss = 0

  /** @param classes the logits of an image */
  constructor(classes: number) {
    whole(0)('classes', classes)
    this.#classes = classes
  }

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

  /** Of all that was added; NaN where that is nothing. */
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

/** The bin (i/15, (i + 1)/15] of a confidence; NaN goes into the first and makes its figures NaN, as it should. */
function binOf(confidence: number): number {
  if (!(confidence > 0)) return 0
  const near = Math.min(binCount, Math.ceil(confidence * binCount)) - 1 // off by one where the product is rounded
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
