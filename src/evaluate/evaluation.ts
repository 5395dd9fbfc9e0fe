import type { Dataset, SkippedImage } from '../data/index.js'
import type { OutputKind } from '../model/index.js'
import { classDoubts, warnOfClasses } from '../model/internal.js'
import type { ScriptModule, Tensor } from '../torch/index.js'
import type { RecordedBatch } from './evaluation-record.js'
import { type Score, ScoreSums } from './metrics.js'
import { OutputDoubts } from './output-doubts.js'

/** The score of a model on the images of one class. */
export interface ClassScore {
  /** The name of the class. */
  readonly name: string
  /** How many images of the class were evaluated. */
  readonly images: number
  /** The percentage of them that was predicted correctly; null if there are none. */
  readonly top1: number | null
}

/** The score of a model on a dataset. Its lists are in the order of `indices`. */
export interface Evaluation extends Score {
  /** The index in the dataset of each image that was evaluated. */
  readonly indices: readonly number[]
  /** Corrupt images, which do not count. */
  readonly skipped: readonly SkippedImage[]
  /** The score on each class, in the order of the dataset's classes; null if `perClass` was not asked for. */
  readonly perClass: readonly ClassScore[] | null
  /**
   * Reasons to doubt the figures: the labels may belong to other outputs, the model may be random, or its outputs may not be logits or not
   * be finite. The process warnings `SOS_CLASSES`, `SOS_RANDOM`, `SOS_PROBABILITIES` and `SOS_NOT_FINITE` say the same.
   */
  readonly warnings: readonly string[]
}

/** Adds up the scores of several models on a dataset, batch by batch. */
export class EvaluationTally {
  readonly indices: number[] = []
  readonly skipped: SkippedImage[] = []
  readonly #models: readonly ScriptModule[]
  readonly #dataset: Dataset
  readonly #sums: ScoreSums[] = []
  readonly #doubts: readonly OutputDoubts[]
  /** What makes the classes of each model doubtful; undefined until the number of its outputs is known. */
  readonly #classDoubts: string[][] = []

  constructor(models: readonly ScriptModule[], dataset: Dataset) {
    this.#models = models
    this.#dataset = dataset
    this.#doubts = models.map((model) => new OutputDoubts(model))
  }

  /** Checks once that the dataset's labels are among the outputs of model `i`, and warns if its classes may be others. */
  expectAgreement(i: number, outputs: number): void {
    if (this.#classDoubts[i] !== undefined) return
    const { count, order } = classDoubts(this.#models[i]!, this.#dataset, outputs)
    this.#classDoubts[i] = count === null ? order : [count, ...order]
    warnOfClasses(this.#classDoubts[i])
  }

  /** @param images the images of the batch, if they are at hand */
  add({ indices, skipped, models }: RecordedBatch, images?: Tensor): void {
    for (const index of indices) this.indices.push(index)
    for (const image of skipped) this.skipped.push(image)
    for (const [i, scores] of models.entries()) {
      this.expectAgreement(i, scores.classes)
      this.#sums[i] ??= new ScoreSums(scores.classes)
      this.#sums[i].add(scores)
      this.#doubts[i]!.add(scores, images)
    }
  }

  /** The indices in `asked` that have not been added yet. */
  missing(asked: readonly number[]): number[] {
    const known = new Set([...this.indices, ...this.skipped.map(({ index }) => index)])
    return asked.filter((index) => !known.has(index))
  }

  /** An evaluation for each model, from all batches that were added. */
  evaluations(outputs: OutputKind, perClass: boolean): Evaluation[] {
    const { indices, skipped } = this
    return this.#sums.map((sums, i) => {
      const score = sums.score()
      return {
        ...score,
        indices,
        skipped,
        perClass: perClass ? classScores(this.#dataset, indices, score.correct) : null,
        warnings: [...this.#classDoubts[i]!, ...this.#doubts[i]!.warnings(outputs)],
      }
    })
  }
}

function classScores(dataset: Dataset, indices: readonly number[], correct: Uint8Array): ClassScore[] {
  const counts = dataset.classes.map((name) => ({ name, images: 0, right: 0 }))
  for (const [i, index] of indices.entries()) {
    const count = counts[dataset.labels[index]!]!
    count.images++
    count.right += correct[i]!
  }
  return counts.map(({ name, images, right }) => ({
    name,
    images,
    top1: images > 0 ? (100 * right) / images : null,
  }))
}
