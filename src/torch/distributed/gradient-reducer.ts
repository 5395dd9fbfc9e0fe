import { count, expectObject, SosError } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { GradientReducerHandle } from '../native/handles.js'
import { handleOf, handlesOf, type Tensor } from '../tensor/tensor.js'
import { handleOfGroup, type ProcessGroup } from './process-group.js'

/** Options of {@link GradientReducer}. */
export interface GradientReducerOptions {
  /**
   * The most bytes of gradients that are reduced together. A larger gradient is reduced alone. The first bucket has at most 1 MiB, so that the
   * reduction begins early. Default: 26,214,400, which is 25 MiB, as in DistributedDataParallel.
   */
  bucketBytes?: number
}

const DEFAULT_BUCKET_BYTES = 25 * 2 ** 20

/**
 * Averages the gradients of `backward` over the ranks of a process group. All ranks get the same bits. It is c10d's Reducer, the core of Python's
 * DistributedDataParallel: buckets of gradients are reduced while the backward is still running.
 *
 * Call `prepare()` before each backward whose gradients are averaged. A backward without it adds to the gradients of its own rank alone,
 * which accumulates the gradients of several batches.
 *
 * A prepared backward leaves g = (1/R) Σ_r (g_r + b_r) in `grad`, for R ranks. Here g_r is what `grad` held on rank r before (nothing, or what
 * was accumulated), and b_r is the gradient of the loss of rank r. For batches of equal size and losses that are means, this is the gradient
 * of the mean loss over all samples.
 *
 * @example
 * if (ProcessGroup.isLaunched()) {
 *   using group = await ProcessGroup.fromEnvironment()
 *   using reducer = new GradientReducer(group, parameters)
 *   const loss = torch.cross_entropy_loss(await model.forward(images), labels)
 *   await reducer.prepare()
 *   await loss.backward()
 * }
 */
export class GradientReducer {
  readonly #handle: GradientReducerHandle

  /** As {@link Tensor.id}: comparisons field by field find no two reducers equal, and reducers cannot be cloned. */
  readonly id: () => string = () => 'A GradientReducer: it belongs to its thread'

  /**
   * Makes a reducer for some parameters.
   *
   * @param group the process group
   * @param parameters leaves that require gradients, each once, in the same order on all ranks. The loss must depend on all of them. Each
   *   dtype and each device has buckets of its own.
   * @param options the size of the buckets
   * @throws `ERR_INVALID_ARGUMENT` for other tensors, for no parameters, and for an invalid number of bytes
   */
  constructor(group: ProcessGroup, parameters: readonly Tensor[], options: GradientReducerOptions = {}) {
    handlesOf('parameters', parameters)
    expectObject('options', options)
    const { bucketBytes = DEFAULT_BUCKET_BYTES } = options
    if (parameters.length === 0) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        'expected at least one parameter that requires gradients but received none',
      )
    }
    count('bucketBytes', bucketBytes)
    this.#handle = binding.createReducer(handleOfGroup(group), parameters.map(handleOf), bucketBytes)
  }

  /**
   * Makes the next backward average its gradients over the ranks. This is a collective: the ranks wait for each other and compare their
   * parameters. You may await it, or call `backward` at once, which runs after it in any case.
   *
   * The backward is rejected with `ERR_PROCESS_GROUP` if it does not reach all parameters, or if a rank ends during it. `grad` then holds the
   * gradients of this rank alone.
   *
   * @throws `ERR_PROCESS_GROUP` as the collectives of the group
   */
  async prepare(): Promise<void> {
    await onLane(() => binding.prepareReducer(this.#handle))
  }

  /** Removes the hooks of the reducer from the parameters, before the next call on the lane. Using it afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    if (!binding.isDisposed(this.#handle)) binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
