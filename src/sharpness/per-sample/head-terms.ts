import { scope, type Tensor, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'
import { probabilitiesOf } from '../last-layer.js'
import type { ImageTerm } from './image-terms.js'
import { exactFactor, randomCombination, signsLike } from './softmax-factor.js'

/** With more classes, the matrices of two heads are not split, since that takes the cube of the number of classes for each image. */
const mostSplitClasses = 64

/** A last layer z = Wa + b on the features of some images. */
export interface HeadOnImages {
  /** W in float64, [K, m]. */
  readonly weight: Tensor
  /** The probabilities of the images, float64 [n, K]. */
  readonly p: Tensor
}

/** What a head makes of features. */
export function headOnImages(features: Tensor, head: { weight: Tensor; bias: Tensor | null }): HeadOnImages {
  const placement = { device: features.device, dtype: 'float64' } as const
  const weight = head.weight.detach().to(placement)
  const logits = torch.linear(
    features.detach().to(placement),
    weight,
    head.bias?.detach().to(placement) ?? null,
  )
  return { weight, p: probabilitiesOf(logits) }
}

/**
 * The terms of the difference of two heads: D_i = W₂ᵀA₂W₂ − W₁ᵀA₁W₁ with A = diag p − ppᵀ has a rank of at most 2(K − 1). Its eigenvectors
 * give D_i = D⁺ − D⁻, so that what the heads have in common is in neither part. With many classes, both heads' random combinations
 * have the same signs instead.
 *
 * @param quantity the place of the difference among the quantities
 */
export function differenceTerms(
  [first, second]: readonly [HeadOnImages, HeadOnImages],
  quantity: number,
  probes: number | 'exact',
  generator: Generator,
): ImageTerm[] {
  const classes = first.p.shape[1]!
  if (probes !== 'exact' && classes > mostSplitClasses) {
    return Array.from({ length: probes }, (_, probe) => {
      const signs = signsLike(first.p, classes, generator)
      return [
        { quantity, probe, vectors: combinationAt(second, signs), sign: 1 },
        { quantity, probe, vectors: combinationAt(first, signs), sign: -1 },
      ]
    }).flat()
  }
  const { directions, eigenvalues } = splitOf(first, second)
  const scaled = scope(() => directions.mul(eigenvalues.abs().sqrt().unsqueeze(1)))
  if (probes === 'exact') {
    const signs = eigenvalues.sign().unbind(1)
    return scaled.unbind(2).map((vectors, i) => ({ quantity, probe: 0, vectors, sign: signs[i]! }))
  }
  const isPositive = eigenvalues.gt(0).to({ dtype: 'float64' }).unsqueeze(1)
  const parts = [scaled.mul(isPositive), scaled.sub(scaled.mul(isPositive))]
  return Array.from({ length: probes }, (_, probe) => {
    const signs = signsLike(first.p, eigenvalues.shape[1]!, generator).unsqueeze(2)
    const [plus, minus] = parts.map((part) => part.bmm(signs).squeeze(2))
    return [
      { quantity, probe, vectors: plus!, sign: 1 },
      { quantity, probe, vectors: minus!, sign: -1 },
    ]
  }).flat()
}

/** The eigenvectors of D_i in the space of both factors, [n, m, r], and the eigenvalues, ascending, [n, r]. */
function splitOf(first: HeadOnImages, second: HeadOnImages): { directions: Tensor; eigenvalues: Tensor } {
  return scope(() => {
    const [own, other] = [factorAt(first), factorAt(second)]
    const [basis, triangle] = torch.linalg_qr(torch.cat([other, own], 2))
    const half = own.shape[2]!
    const plus = triangle.narrow(2, 0, half)
    const minus = triangle.narrow(2, half, half)
    const inner = plus.bmm(plus.transpose(1, 2)).sub(minus.bmm(minus.transpose(1, 2)))
    const [eigenvalues, vectors] = torch.linalg_eigh(inner)
    return { directions: basis.bmm(vectors), eigenvalues }
  })
}

/** WᵀM for MMᵀ = diag p − ppᵀ, [n, m, K − 1]. */
function factorAt({ weight, p }: HeadOnImages): Tensor {
  return scope(() => weight.t().matmul(exactFactor(p)))
}

/** WᵀBε, [n, m]. */
function combinationAt({ weight, p }: HeadOnImages, signs: Tensor): Tensor {
  return scope(() => randomCombination(p, signs).matmul(weight))
}
