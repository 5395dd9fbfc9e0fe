import { scope, type Tensor, torch } from '../../torch/index.js'
import type { ImageGradients } from './image-gradients.js'

/** A squared norm ‖J_iᵀv_i‖² of each image, which adds to a quantity. */
export interface ImageTerm {
  /** Which quantity. */
  readonly quantity: number
  /** Which probe of it. */
  readonly probe: number
  /** v_i, [images, …] in the shape of the target. */
  readonly vectors: Tensor
  /** What the squared norm is multiplied by: a number, or one for each image, [images]. */
  readonly sign: number | Tensor
}

/** The quantities of a chunk, one after another: each [probes, images, groups], float64 on the CPU. */
export async function sumTerms(
  gradients: ImageGradients,
  target: Tensor,
  terms: readonly ImageTerm[],
  shape: { quantities: number; probes: number },
  signal: AbortSignal | undefined,
): Promise<Tensor[]> {
  const [images, groups] = [target.shape[0]!, gradients.groups.length]
  const sums = torch.zeros([shape.quantities, shape.probes, images, groups], {
    dtype: 'float64',
    device: target.device,
  })
  gradients.prepare(terms.length)
  for (const [i, { quantity, probe, vectors, sign }] of terms.entries()) {
    signal?.throwIfAborted()
    await scope(async () => {
      const squares = await gradients.squares(target, vectors, i + 1 === terms.length)
      const signed = typeof sign === 'number' ? squares.mul(sign) : squares.mul(sign.unsqueeze(1))
      sums.select(0, quantity).select(0, probe).add_(signed)
    })
  }
  return sums.to({ device: 'cpu' }).unbind(0)
}
