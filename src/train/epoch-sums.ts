import { SosError } from '../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../torch/index.js'
import type { RunState } from './checkpoint.js'

/** Loss and accuracy of an epoch, summed on the device: a batch costs no wait. */
export class EpochSums {
  /** float64 scalars. */
  readonly #loss: Tensor
  readonly #correct: Tensor
  #images: number

  constructor(
    device: string,
    { loss, correct, images }: RunState['sums'] = { loss: 0, correct: 0, images: 0 },
  ) {
    const scalar = (value: number) => keepTensor(torch.tensor(value, { dtype: 'float64', device }))
    this.#loss = scalar(loss)
    this.#correct = scalar(correct)
    this.#images = images
  }

  /**
   * @param loss a scalar, the mean over the batch
   * @param logits [n, classes]
   * @param targets int64 [n], or [n, classes]: the share of each class
   */
  add(loss: Tensor, logits: Tensor, targets: Tensor): void {
    torch.noGrad(() =>
      scope(() => {
        const count = logits.shape[0]!
        const predicted = logits.argmax(1)
        const correct =
          targets.shape.length === 1
            ? predicted.eq(targets).sum()
            : targets.gather(1, predicted.unsqueeze(1)).sum()
        this.#loss.add_(loss, { alpha: count })
        this.#correct.add_(correct)
        this.#images += count
      }),
    )
  }

  /** Waits for the device. */
  read(): RunState['sums'] {
    return { loss: this.#loss.item(), correct: this.#correct.item(), images: this.#images }
  }

  dispose(): void {
    this.#loss.dispose()
    this.#correct.dispose()
  }
}

/**
 * An epoch's means from its sums.
 *
 * @throws `ERR_NOT_FINITE` where the loss is no number; the first batch's was one, or the run had not gone on
 */
export function meansOf({ loss, correct, images }: RunState['sums'], epoch: string, learningRate: number) {
  if (Number.isFinite(loss)) return { loss: loss / images, accuracy: (100 * correct) / images, images }
  throw new SosError(
    'ERR_NOT_FINITE',
    `the training loss of ${epoch} is ${loss}, and that of the first batch was finite: the training diverged, at a learning rate of ${learningRate}`,
  )
}
