import { type Tensor, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'
import type { ImageTerm } from './image-terms.js'
import { exactFactor, randomCombination, signsLike } from './softmax-factor.js'

/**
 * The terms of t_i: ‖J_iᵀm_ik‖² for each k, or ‖J_iᵀΣ_kε_km_ik‖² for random signs.
 *
 * @param p the probabilities, float64 [n, K]
 * @param onto W, [K, m], if the target is the input of a layer z = Wa + b instead of the logits
 */
export function traceTerms(
  p: Tensor,
  probes: number | 'exact',
  generator: Generator,
  onto?: Tensor,
): ImageTerm[] {
  const at = (vectors: Tensor) => (onto === undefined ? vectors : torch.matmul(vectors, onto))
  if (probes === 'exact') {
    return exactFactor(p)
      .unbind(2)
      .map((vectors) => ({ quantity: 0, probe: 0, vectors: at(vectors), sign: 1 }))
  }
  return Array.from({ length: probes }, (_, probe) => {
    const signs = signsLike(p, p.shape[1]!, generator)
    return { quantity: 0, probe, vectors: at(randomCombination(p, signs)), sign: 1 }
  })
}
