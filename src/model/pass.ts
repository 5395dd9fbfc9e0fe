import { SosError } from '../base/index.js'
import { type Batch, batches, type Dataset, type RunOptions, type SkippedImage } from '../data/index.js'
import type { DType, ScriptModule } from '../torch/index.js'
import { inputDtype } from './input-dtype.js'
import { warnIfRandom } from './randomness.js'

/** How {@link pass} runs. */
export interface PassOptions extends RunOptions {
  /** How many images one forward takes. */
  chunk: number
  /**
   * The dtype of the images; null leaves them as the dataset gives them. Default: the dtype in which the model takes
   * its input.
   */
  dtype?: DType | null
  /** How often the caller works through each batch; progress counts every round. Default: 1. */
  rounds?: number
  /** How many images an earlier run of the same pass did, which are not among the indices. Default: none. */
  before?: { readonly loaded: number; readonly skipped: number }
  /** Receives the images of a batch that consists of corrupt images alone. Such a batch is not yielded. */
  onAllCorrupt?: (skipped: readonly SkippedImage[]) => void
}

/** Images that a model is run on. */
export interface PassBatch extends Batch {
  /** Says that one of several rounds over this batch is done. */
  roundDone(): void
}

/**
 * Passes a dataset's images through a model. It is the only loop over a dataset outside of training. Batches come on
 * the model's device and in its dtype. The next batch is loaded while the caller works on this one, and each is freed
 * when the next is asked for. Corrupt images are left out; a batch that consists of them alone is not yielded. The
 * caller runs the model, and holds it in eval mode (`model.view({ eval: true })`, or an `InferenceModel`).
 *
 * @param model its device and dtype are those of the batches, unless the options say otherwise
 * @throws `ERR_DATASET` if every image is corrupt; `ERR_INDICES`; the signal's reason, before a batch
 */
export async function* pass(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: PassOptions,
): AsyncGenerator<PassBatch> {
  const { chunk, device = model.device, rounds = 1, before, onAllCorrupt, onProgress, signal } = options
  const { dtype = inputDtype(model) } = options
  const resumed = before === undefined ? 0 : before.loaded + before.skipped
  const total = (indices.length + resumed) * rounds
  let loaded = before?.loaded ?? 0
  let done = resumed * rounds
  let reason = ''
  let looked = false
  const report = (images: number) => {
    done += images
    onProgress?.({ done, total, ...(resumed > 0 && { resumed }) })
  }
  for await (const batch of batches(dataset, indices, chunk, { device, dtype })) {
    signal?.throwIfAborted()
    const { skipped } = batch
    reason ||= skipped[0]?.reason ?? ''
    const images = batch.indices.length
    if (images === 0) {
      onAllCorrupt?.(skipped)
      report(skipped.length * rounds)
      continue
    }
    if (!looked) await warnIfRandom(model, batch.images)
    looked = true
    loaded += images
    done += skipped.length * rounds
    let left = rounds
    const roundDone = () => {
      left--
      report(images)
    }
    yield { ...batch, roundDone }
    if (left > 0) report(left * images)
  }
  if (loaded > 0 || indices.length + resumed === 0) return
  throw new SosError(
    'ERR_DATASET',
    `${dataset.name}: expected images but ${indices.length + resumed === 1 ? 'the only one is' : `all ${indices.length + resumed} are`} corrupt${reason && `, as ${reason}`}`,
  )
}
