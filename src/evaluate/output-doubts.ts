import type { OutputKind } from '../model/index.js'
import { randomness, whyNotFinite } from '../model/internal.js'
import type { ScriptModule, Tensor } from '../torch/index.js'
import type { RecordedScores } from './evaluation-record.js'

/** Looks at the scores of a model's outputs batch by batch, and says in the end what makes the figures doubtful. */
export class OutputDoubts {
  readonly #model: ScriptModule
  #images = 0
  #probabilities = true
  #notNumbers = 0
  #infinite = 0
  #why: string | undefined

  constructor(model: ScriptModule) {
    this.#model = model
  }

  /** @param images the images of the batch, if they are at hand */
  add({ losses, probabilities }: RecordedScores, images?: Tensor): void {
    const notNumbers = losses.filter(Number.isNaN).length
    if (notNumbers > 0) this.#why ??= whyNotFinite(this.#model, images)
    this.#images += losses.length
    this.#notNumbers += notNumbers
    this.#infinite += losses.filter((loss) => loss === Number.POSITIVE_INFINITY).length
    this.#probabilities &&= probabilities
  }

  /** The reasons for doubt. Some of them are process warnings too: `SOS_PROBABILITIES` and `SOS_NOT_FINITE`. */
  warnings(outputs: OutputKind): string[] {
    const { path } = this.#model
    const random = randomness(this.#model)
    const doubts = random === null ? [] : [random]
    const warn = (code: string, warning: string) => {
      process.emitWarning(warning, { code })
      doubts.push(warning)
    }
    if (outputs === 'logits' && this.#probabilities && this.#images > 0) {
      warn(
        'SOS_PROBABILITIES',
        `${path} returns rows of probabilities, as after a softmax. Its cross-entropy and calibration error are wrong, since they are computed with a second softmax: evaluate it with outputs: 'probabilities' (--outputs probabilities)`,
      )
    }
    if (this.#notNumbers > 0) {
      warn(
        'SOS_NOT_FINITE',
        `${path} returns NaN or infinity for ${this.#notNumbers} of ${this.#images} images. They count as wrong, and the cross-entropy is NaN: ${this.#why}`,
      )
    }
    if (this.#infinite > 0) {
      const what = outputs === 'logits' ? 'a logit of −infinity' : 'a probability of 0'
      doubts.push(
        `${path} gives the right class ${what} in ${this.#infinite} of ${this.#images} images, so the cross-entropy is infinite`,
      )
    }
    return doubts
  }
}
