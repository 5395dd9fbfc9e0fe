import { type Tensor, torch } from '../../torch/index.js'

/** Tensors that move in place from where they are along some directions: p ← p₀ + Σ_k c_k d_k. */
export class MovedTensors {
  readonly #tensors: readonly Tensor[]
  readonly #start: readonly Tensor[]
  readonly #directions: readonly (readonly Tensor[])[]

  /**
   * Copies where the tensors are now, and the directions. The copies lie in memory as the tensors do, which makes their
   * sums faster.
   *
   * @param tensors the tensors, whose own memory is written to
   * @param directions for each direction, a tensor for each of `tensors`
   */
  constructor(tensors: readonly Tensor[], directions: readonly (readonly Tensor[])[]) {
    this.#tensors = tensors
    this.#start = tensors.map((tensor) => tensor.detach().clone())
    this.#directions = directions.map((direction) =>
      direction.map((part, i) => torch.empty_like(tensors[i]!).detach().copy_(part)),
    )
  }

  /** Writes p₀ + Σ_k c_k d_k into the tensors, with no gradient, off the event loop. */
  async moveTo(coordinates: readonly number[]): Promise<void> {
    if (this.#tensors.length === 0) return
    await torch.noGrad(async () => {
      await torch.async._foreach_copy_(this.#tensors, this.#start)
      for (const [k, direction] of this.#directions.entries()) {
        const alpha = coordinates[k]!
        if (alpha !== 0) await torch.async._foreach_add_(this.#tensors, direction, { alpha })
      }
    })
  }
}
