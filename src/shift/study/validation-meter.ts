import { mcnemar } from '../../base/index.js'
import { type Score, ScoreSums, sampleScores } from '../../evaluate/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { certifyDrift } from '../certificates.js'
import { type Drift, emptyDrift } from '../drift.js'
import type { LinearMap } from '../solve/linear-map.js'
import type { Features } from './features.js'
import { type RowStoreOptions, rowStore } from './row-store.js'
import type { PairedTest, StudyDrift, StudyRow, StudyScore } from './study-result.js'

/**
 * The number of rows in one matrix product: so few that the scoring, which runs on the event loop's thread, takes
 * milliseconds.
 */
const chunk = 1024
/** The number of points in the plot of drift against margin. */
const sampleSize = 300

/** What was measured for one set of weights. */
export interface Measured {
  readonly score: StudyScore
  readonly test: Omit<PairedTest, 'adjustedPValue'>
  readonly drift: StudyDrift
  readonly unseen: StudyRow['unseen']
  /** The class predicted for each image. */
  readonly predictions: Int32Array
}

/**
 * Scores weights of the last layer on cached inputs of the validation images, and compares them with the original
 * weights. The logits are computed as the model's own forward would, in the dtype of the layer.
 */
export class ValidationMeter {
  readonly #rows: Tensor
  readonly #labels: Int32Array
  readonly #logits: Tensor
  readonly #before: Score
  readonly #margins: Float64Array

  private constructor(
    rows: Tensor,
    labels: Int32Array,
    logits: Tensor,
    before: Score,
    margins: Float64Array,
  ) {
    this.#rows = rows
    this.#labels = labels
    this.#logits = logits
    this.#before = before
    this.#margins = margins
  }

  /**
   * Computes the original logits and their score.
   *
   * @param original the layer's weight [n, m] and bias [n], in its dtype on the CPU
   */
  static async open(
    { rows, indices }: Features,
    labels: Int32Array,
    original: LinearMap,
    options: RowStoreOptions,
  ): Promise<ValidationMeter> {
    const own = Int32Array.from(indices, (index) => labels[index]!)
    const [images, classes] = [rows.shape[0]!, original.weight.shape[0]!]
    const store = await rowStore(images, classes, rows.dtype, options)
    const sums = new ScoreSums(classes)
    const margins = new Float64Array(images)
    try {
      await forChunks(rows, original, own, async (logits, targets, start) => {
        await store.add(logits)
        sums.add(sampleScores(logits, targets))
        margins.set(marginsOf(logits), start)
      })
    } catch (error) {
      await store.discard()
      throw error
    }
    return new ValidationMeter(rows, own, await store.finish(), sums.score(), margins)
  }

  /** The score of the original weights. */
  get before(): StudyScore {
    return withoutPredictions(this.#before)
  }

  /**
   * Scores other weights.
   *
   * @param map weight [n, m] and bias [n], in the layer's dtype on the CPU
   * @param covered the classes that the batch has images of
   */
  async measure(map: LinearMap, covered: ReadonlySet<number>): Promise<Measured> {
    const images = this.#labels.length
    const sums = new ScoreSums(map.weight.shape[0]!)
    // These are the logits as they are rounded, so rounding leaves no class undecided.
    const drift: Drift = { ...emptyDrift(images), margin: this.#margins }
    await forChunks(this.#rows, map, this.#labels, async (logits, targets, start) => {
      sums.add(sampleScores(logits, targets))
      const moved = logits.to('float64').sub(this.#logits.narrow(0, start, logits.shape[0]!))
      drift.spread.set(values(moved.amax([1]).sub(moved.amin([1]))), start)
      drift.change.set(values(moved.abs().amax([1])), start)
      drift.norm.set(values(moved.square().sum([1]).sqrt()), start)
    })
    const after = sums.score()
    for (let i = 0; i < images; i++) {
      drift.changed[i] = after.predictions[i] === this.#before.predictions[i] ? 0 : 1
    }
    const { onlyFirst, onlySecond, pValue } = mcnemar(this.#before.correct, after.correct)
    return {
      score: withoutPredictions(after),
      test: { onlyBefore: onlyFirst, onlyAfter: onlySecond, pValue },
      drift: { ...certifyDrift(drift), sample: sampleOf(drift) },
      unseen: this.#unseen(after, covered),
      predictions: after.predictions,
    }
  }

  /** Frees the logits. The features belong to the caller. */
  dispose(): void {
    this.#logits.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  #unseen({ correct }: Score, covered: ReadonlySet<number>): StudyRow['unseen'] {
    const classes = new Set<number>()
    let [images, before, after] = [0, 0, 0]
    this.#labels.forEach((label, i) => {
      if (covered.has(label)) return
      classes.add(label)
      images++
      before += this.#before.correct[i]!
      after += correct[i]!
    })
    if (images === 0) return null
    return {
      classes: classes.size,
      images,
      top1Before: (100 * before) / images,
      top1After: (100 * after) / images,
    }
  }
}

/** Calls `body` with the logits of all rows, chunk by chunk. What `body` makes is freed after each chunk. */
async function forChunks(
  rows: Tensor,
  { weight, bias }: LinearMap,
  labels: Int32Array,
  body: (logits: Tensor, labels: Tensor, start: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < labels.length; start += chunk) {
    const size = Math.min(chunk, labels.length - start)
    await scope(async () => {
      const logits = await torch.async.linear(rows.narrow(0, start, size), weight, bias)
      const targets = torch.tensor(labels.subarray(start, start + size)).to('int64')
      await body(logits, targets, start)
    })
  }
}

function marginsOf(logits: Tensor): Float64Array {
  return scope(() => {
    if (logits.shape[1]! < 2) return new Float64Array(logits.shape[0]!).fill(Number.POSITIVE_INFINITY)
    const [best] = logits.to('float64').topk(2, 1)
    return values(best.select(1, 0).sub(best.select(1, 1)))
  })
}

function sampleOf({ spread, margin }: Drift): StudyDrift['sample'] {
  const size = Math.min(sampleSize, spread.length)
  return Array.from({ length: size }, (_, i) => {
    const at = Math.floor((i * spread.length) / size)
    return { drift: rounded(spread[at]!), margin: rounded(margin[at]!) }
  })
}

function withoutPredictions({ top1, top5, loss, calibrationError, reliability }: Score): StudyScore {
  return { top1, top5, loss, calibrationError, reliability }
}

const rounded = (value: number): number => Number(value.toPrecision(5))
const values = (tensor: Tensor) => tensor.toTypedArray() as Float64Array
