import { checkLabels, expectLogits } from '../data/classification.js'
import { batches, type Dataset, type RunOptions, type SkippedImage, spread } from '../data/dataset.js'
import { noGrad } from '../torch/context.js'
import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import type { Tensor } from '../torch/tensor.js'

export interface EvaluateOptions extends RunOptions {
  /** Evaluate this many images, spread evenly over the dataset. Default: all. */
  limit?: number
  /** Images in one forward. Default: 64. */
  batchSize?: number
}

export interface Evaluation {
  /** Images whose class has the largest logit, in per cent. */
  readonly top1: number
  /** Images whose class is among the five largest logits, in per cent; null where there are fewer than five classes. */
  readonly top5: number | null
  /** Mean cross-entropy in nats. */
  readonly loss: number
  readonly images: number
  /** The dataset's index of each evaluated image, and the class predicted for it. */
  readonly indices: readonly number[]
  readonly predictions: Int32Array
  /** Corrupt images, which are not counted. */
  readonly skipped: readonly SkippedImage[]
}

/**
 * Runs a classifier over a dataset, in eval mode and without gradients.
 *
 * @throws `ERR_LABELS` where a label is beyond the model's outputs, `ERR_OUTPUT_SHAPE` where the output is no [N, classes],
 *   `ERR_DATASET` where every image was skipped
 */
export async function evaluate(
  model: ScriptModule,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { limit, batchSize = 64, device = 'cpu', onProgress, signal } = options
  const asked = spread(dataset.size, limit)
  const indices: number[] = []
  const skipped: SkippedImage[] = []
  const predictions = new Int32Array(asked.length)
  const sums = { top1: 0, top5: 0, loss: 0 }
  let classes = 0
  const mode = model.training
  model.eval()
  try {
    for await (const batch of batches(dataset, asked, batchSize, device)) {
      signal?.throwIfAborted()
      skipped.push(...batch.skipped)
      if (batch.indices.length === 0) continue
      await noGrad(() =>
        scope(async () => {
          const logits = expectLogits(await model.forward(batch.images), batch.indices.length)
          if (classes === 0) {
            classes = logits.shape[1]!
            checkLabels(dataset, classes)
          }
          const measured = measure(logits, batch.labels, classes)
          predictions.set(measured.predictions, indices.length)
          sums.top1 += measured.top1
          sums.top5 += measured.top5
          sums.loss += measured.loss
        }),
      )
      indices.push(...batch.indices)
      onProgress?.({ done: indices.length + skipped.length, total: asked.length })
    }
  } finally {
    model.train(mode)
  }
  const images = indices.length
  if (images === 0) {
    throw new SosError(
      'ERR_DATASET',
      `${dataset.name}: expected images to evaluate but all ${skipped.length} are corrupt, as ${skipped[0]?.reason}`,
    )
  }
  return {
    top1: (100 * sums.top1) / images,
    top5: classes >= 5 ? (100 * sums.top5) / images : null,
    loss: sums.loss / images,
    images,
    indices,
    predictions: predictions.subarray(0, images),
    skipped,
  }
}

function measure(logits: Tensor, labels: Tensor, classes: number) {
  const sumReduction = 2
  const loss = torch.cross_entropy_loss(logits.to('float64'), labels, null, sumReduction).item()
  const predicted = logits.argmax(1)
  const top1 = predicted.eq(labels).sum().item()
  const [, best] = logits.topk(Math.min(5, classes), 1)
  const top5 = best.eq(labels.unsqueeze(1)).sum().item()
  const predictions = Int32Array.from(Array.from(predicted.toTypedArray() as BigInt64Array, Number))
  return { loss, top1, top5, predictions }
}
