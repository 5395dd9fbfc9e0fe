import { positive } from '../base/index.js'
import { type Generator, type Tensor, torch } from '../torch/index.js'

/** Mixes the images of a batch, and their classes. */
export interface Mixup {
  /** What it is, as a checkpoint tells it: name and numbers. */
  readonly description: Readonly<Record<string, unknown>>
  /**
   * @param images [n, C, H, W], floating
   * @param labels int64 [n]
   * @returns images of the same shape, and of the images' dtype, [n, classes]: the share of each class
   */
  apply(
    images: Tensor,
    labels: Tensor,
    classes: number,
    generator: Generator,
  ): { images: Tensor; targets: Tensor }
}

/**
 * Mixup (Zhang et al. 2018): λx + (1 − λ)x′ with another image of the batch, the classes alike; one λ ~ Beta(α, α) for a
 * batch, as in their code.
 *
 * @param alpha α. Default: 1, theirs for CIFAR
 * @throws `ERR_INVALID_ARGUMENT` where α is not above 0
 */
export function mixup(alpha = 1): Mixup {
  positive('alpha', alpha)
  return {
    description: { name: 'mixup', alpha },
    apply(images, labels, classes, generator) {
      // The first part of a Dirichlet variable of two parts is a Beta variable.
      const drawn = torch._sample_dirichlet(torch.full([2], alpha, { dtype: 'float64' }), generator)
      const lambda = drawn.select(0, 0).item()
      const order = torch.randperm(images.shape[0]!, { generator }).to({ device: images.device })
      const mix = (values: Tensor) => values.lerp(values.index_select(0, order), 1 - lambda)
      return { images: mix(images), targets: mix(labels.one_hot(classes).to(images.dtype)) }
    },
  }
}
