import { noGrad } from '../torch/context.js'
import { torch } from '../torch/ops.js'
import { keep, scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import type { RunState } from './checkpoint.js'

/** Loss and accuracy of an epoch, summed on the device: a batch costs no wait. */
export class EpochSums {
  /** float64 [3]: the losses, those predicted rightly, the images. */
  readonly #sums: Tensor

  constructor(
    device: string,
    { loss, correct, images }: RunState['sums'] = { loss: 0, correct: 0, images: 0 },
  ) {
    this.#sums = keep(torch.tensor([loss, correct, images], { dtype: 'float64', device }))
  }

  /**
   * @param loss a scalar, the mean over the batch
   * @param logits [n, classes]
   * @param targets int64 [n], or [n, classes]: the share of each class
   */
  add(loss: Tensor, logits: Tensor, targets: Tensor): void {
    noGrad(() =>
      scope(() => {
        const count = logits.shape[0]!
        const predicted = logits.argmax(1)
        const correct =
          targets.shape.length === 1
            ? predicted.eq(targets).sum()
            : targets.gather(1, predicted.unsqueeze(1)).sum()
        const images = torch.full_like(correct, count)
        const added = torch.stack([
          loss.to('float64').mul(count),
          correct.to('float64'),
          images.to('float64'),
        ])
        this.#sums.add_(added)
      }),
    )
  }

  /** Waits for the device. */
  read(): RunState['sums'] {
    const [loss, correct, images] = this.#sums.toArray() as [number, number, number]
    return { loss, correct, images }
  }

  dispose(): void {
    this.#sums.dispose()
  }
}
