import { noGrad } from '../torch/context.js'
import { torch } from '../torch/ops.js'
import { keep, scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor.js'
import { blocksOf } from './row-chunk.js'

/** How far a layer's outputs moved, over rows that came in chunks: Δz = (V* − V)ᵀa + b* − b for each row a of A. */
export interface Drift {
  readonly rows: number
  /** The largest change of an output: max |Δz|. */
  readonly largest: number
  /** The mean change of an output: mean |Δz|, over rows and outputs. */
  readonly mean: number
  /** max ‖Δz‖₂. */
  readonly largestNorm: number
  /** mean ‖Δz‖₂; the loss of no row has changed by more than √2 ‖Δz‖₂, so their mean by no more than √2 of this. */
  readonly meanNorm: number
}

/** The second pass of a full-data shift: what it did to every row, in float64 and off the event loop. */
export class DriftAccumulator {
  readonly #change: Tensor // V* − V
  readonly #biasChange: Tensor // [n]
  #rows = 0
  #largest = 0
  #sum = 0
  #largestNorm = 0
  #normSum = 0

  /**
   * Give the weights as the layer holds them, rounded to its dtype, to certify what is really computed.
   *
   * @param before V, [m, n], any floating-point dtype
   * @param after V*, as V
   * @param biasBefore b, [n]; null where the layer has none
   * @param biasAfter b*; default: b, which did not change
   */
  constructor(
    before: Tensor,
    after: Tensor,
    biasBefore: Tensor | null = null,
    biasAfter: Tensor | null = biasBefore,
  ) {
    const outputs = before.shape[1]!
    this.#change = noGrad(() => keep(difference(before, after)))
    this.#biasChange = noGrad(() =>
      keep(
        biasBefore === null || biasAfter === null
          ? torch.zeros([outputs], { dtype: 'float64' })
          : difference(biasBefore, biasAfter),
      ),
    )
  }

  /**
   * @param rows [k, m], any floating-point dtype and device
   * @throws `ERR_SHAPE`, `ERR_DTYPE`
   */
  add(rows: Tensor): Promise<void> {
    return noGrad(async () => {
      for await (const block of blocksOf(rows, this.#change.shape[0]!)) {
        await scope(() => this.#addBlock(block))
      }
    })
  }

  get drift(): Drift {
    return {
      rows: this.#rows,
      largest: this.#largest,
      mean: this.#sum / (this.#rows * this.#change.shape[1]!),
      largestNorm: this.#largestNorm,
      meanNorm: this.#normSum / this.#rows,
    }
  }

  dispose(): void {
    this.#change.dispose()
    this.#biasChange.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async #addBlock(block: Tensor): Promise<void> {
    const moved = await torch.async.addmm(this.#biasChange, block, this.#change)
    const [largest, sum, norms] = await Promise.all([
      torch.async.linalg_vector_norm(moved, Number.POSITIVE_INFINITY),
      torch.async.linalg_vector_norm(moved, 1),
      torch.async.linalg_vector_norm(moved, 2, [1]),
    ])
    this.#rows += block.shape[0]!
    this.#largest = Math.max(this.#largest, largest.item())
    this.#sum += sum.item()
    this.#largestNorm = Math.max(this.#largestNorm, norms.max().item())
    this.#normSum += norms.sum().item()
  }
}

function difference(before: Tensor, after: Tensor): Tensor {
  return scope(() => wide(after).sub(wide(before)))
}

function wide(tensor: Tensor): Tensor {
  return tensor.detach().to({ device: 'cpu', dtype: 'float64' })
}
