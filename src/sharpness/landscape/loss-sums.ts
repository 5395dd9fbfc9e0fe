import { scope, type Tensor, torch } from '../../torch/index.js'

/** What was measured at a place: numbers, or null if the loss there is NaN or infinite. */
export interface PlaceScore {
  readonly loss: number | null
  readonly accuracy: number | null
}

/** Adds up the loss and the correct predictions of several classifiers at several places. */
export class LossSums {
  readonly #losses: Float64Array[]
  readonly #correct: Float64Array[]
  #images = 0

  constructor(places: number, classifiers: number) {
    const zeros = () => Array.from({ length: places }, () => new Float64Array(classifiers))
    this.#losses = zeros()
    this.#correct = zeros()
  }

  /** How many images were counted. */
  get images(): number {
    return this.#images
  }

  /** Counts the images of a batch, of which each place then gets the logits. */
  count(images: number): void {
    this.#images += images
  }

  /**
   * Adds the scores of the images of a batch at a place.
   *
   * @param logits [N, classifiers, classes], float64
   * @param labels [N], int64
   */
  add(place: number, logits: Tensor, labels: Tensor): void {
    const [losses, correct] = scope(() => {
      const [images, classifiers] = logits.shape as [number, number]
      const all = labels.unsqueeze(1).expand([images, classifiers])
      const losses = torch.cross_entropy_loss(logits.transpose(1, 2), all, { reduction: 0 })
      const correct = logits.argmax(2).eq(all)
      return torch.stack([losses.sum([0]), correct.sum([0]).to('float64')]).toArray() as number[][]
    })
    for (let i = 0; i < losses!.length; i++) {
      this.#losses[place]![i]! += losses![i]!
      this.#correct[place]![i]! += correct![i]!
    }
  }

  /** The mean loss and the accuracy, in per cent, of a classifier at each place. */
  scores(classifier: number): PlaceScore[] {
    return this.#losses.map((losses, place) => {
      const loss = losses[classifier]! / this.#images
      if (!Number.isFinite(loss)) return { loss: null, accuracy: null }
      return { loss, accuracy: (100 * this.#correct[place]![classifier]!) / this.#images }
    })
  }
}
