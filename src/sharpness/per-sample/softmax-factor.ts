import { scope, type Tensor, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'

/** The columns √λ_k e_k of the eigendecomposition of diag p − ppᵀ, the largest first, without the last, which is 0: [n, K, K − 1]. */
export function exactFactor(p: Tensor): Tensor {
  return scope(() => {
    const matrices = torch.diag_embed(p).sub(p.unsqueeze(2).mul(p.unsqueeze(1)))
    const [values, vectors] = torch.linalg_eigh(matrices)
    const scaled = vectors.mul(values.clamp({ min: 0 }).sqrt().unsqueeze(1))
    return scaled.flip([2]).narrow(2, 0, p.shape[1]! - 1)
  })
}

/** Bε = √p ε − p(√pᵀε) for each row of p and ε, [n, K], where BBᵀ = diag p − ppᵀ. */
export function randomCombination(p: Tensor, signs: Tensor): Tensor {
  return scope(() => {
    const scaled = p.sqrt().mul(signs)
    return scaled.sub(p.mul(scaled.sum([1], true)))
  })
}

/** 1 or −1, [n, K], on the device of the other tensors. */
export function signsLike(p: Tensor, columns: number, generator: Generator): Tensor {
  return scope(() =>
    torch
      .randint(0, 2, [p.shape[0]!, columns], { generator, dtype: 'float64' })
      .mul_(2)
      .sub_(1)
      .to({ device: p.device }),
  )
}
