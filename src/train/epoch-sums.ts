import { SosError } from '../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../torch/index.js'
import type { RunState } from './checkpoint.js'

/** The sums of an epoch's loss and accuracy. They are added up on the device, so that a batch need not wait for it. */
export class EpochSums {
  /** A float64 scalar, as `#correct` is. */
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
   * @param targets int64 [n]; or [n, classes], the share of each class
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

  /** The sums as numbers. This waits for the device. */
  read(): RunState['sums'] {
    return { loss: this.#loss.item(), correct: this.#correct.item(), images: this.#images }
  }

  dispose(): void {
    this.#loss.dispose()
    this.#correct.dispose()
  }
}

/**
 * The mean loss and the accuracy of an epoch, from its sums.
 *
 * @param epoch what to call the epoch in messages
 * @param learningRate the learning rate of its last step, for messages
 * @throws `ERR_NOT_FINITE` if the loss is NaN or infinite. The loss of the run's first batch was finite, since the run would have ended there
 */
export function meansOf({ loss, correct, images }: RunState['sums'], epoch: string, learningRate: number) {
  if (Number.isFinite(loss)) return { loss: loss / images, accuracy: (100 * correct) / images, images }
  throw new SosError(
    'ERR_NOT_FINITE',
    `expected a finite training loss but that of ${epoch} is ${loss}, while that of the first batch was finite: the training diverged at a learning rate of ${learningRate}; take a smaller one`,
  )
}
