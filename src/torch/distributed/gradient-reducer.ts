import { count, expectObject, SosError } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { GradientReducerHandle } from '../native/handles.js'
import { handleOf, handlesOf, type Tensor } from '../tensor/tensor.js'
import { handleOfGroup, type ProcessGroup } from './process-group.js'

/** Options of {@link GradientReducer}. */
export interface GradientReducerOptions {
  /**
   * The most bytes of gradients that are reduced together; a larger gradient goes alone. The first bucket has at most 1 MiB, so
   * that the reduction begins soon. Default: 26,214,400, 25 MiB, as DistributedDataParallel's.
   */
  bucketBytes?: number
}

const DEFAULT_BUCKET_BYTES = 25 * 2 ** 20

/**
 * Makes the gradients that `backward` gathers the mean over the ranks of a group, to the last bit the same on all of them: c10d's
 * Reducer, the heart of Python's DistributedDataParallel. Buckets of gradients are reduced while the backward goes on.
 *
 * `prepare()` before a backward makes it one of all ranks; a backward without it gathers on its own rank alone, for gradients
 * of several batches. What a prepared backward leaves in `grad` is g = (1/R) Σ_r (g_r + b_r), where g_r is what `grad` held on rank r
 * before (nothing, or what was gathered alone), and b_r the gradient of rank r's own loss. Of equal batches, and losses that are means, this
 * is the gradient of the mean loss over all samples.
 *
 * @example
 * const reducer = new GradientReducer(group, parameters)
 * for (const parameter of parameters) parameter.grad = null
 * const loss = torch.cross_entropy_loss(await model.forward(images), labels)
 * await reducer.prepare()
 * await backward([loss])
 */
export class GradientReducer {
  readonly #handle: GradientReducerHandle

  /** As {@link Tensor.id}: no two reducers are equal field by field, and none can be cloned. */
  readonly id: () => string = () => 'A GradientReducer: it belongs to its thread'

  /**
   * @param parameters leaves that require gradients, each once, in the same order on all ranks; the loss must depend on all of
   * them. Several dtypes and devices are kept in buckets of their own.
   * @throws `ERR_INVALID_ARGUMENT` for others, for none, or for a number of bytes that is none
   */
  constructor(group: ProcessGroup, parameters: readonly Tensor[], options: GradientReducerOptions = {}) {
    handlesOf('parameters', parameters)
    expectObject('options', options)
    const { bucketBytes = DEFAULT_BUCKET_BYTES } = options
    if (parameters.length === 0) {
      throw new SosError('ERR_INVALID_ARGUMENT', 'expected at least one parameter but received none')
    }
    count('bucketBytes', bucketBytes)
    this.#handle = binding.createReducer(handleOfGroup(group), parameters.map(handleOf), bucketBytes)
  }

  /**
   * Makes the next backward one of all ranks. A collective: here the ranks wait for each other and agree on the parameters. Await it, or
   * go on to call `backward`, which comes after it anyway. The backward is rejected with `ERR_PROCESS_GROUP` where it does not reach
   * all parameters, or where a rank ends meanwhile: `grad` then holds this rank's own.
   *
   * @throws `ERR_PROCESS_GROUP` as the group's own collectives
   */
  async prepare(): Promise<void> {
    await onLane(() => binding.prepareReducer(this.#handle))
  }

  /** Takes its hooks off the parameters, before the next call on the lane. Using it afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    if (!binding.isDisposed(this.#handle)) binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
