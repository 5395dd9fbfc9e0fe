import { positive } from '../base/index.js'
import { type Generator, type Tensor, torch } from '../torch/index.js'

/** Mixes the images of a batch with each other, and their labels in the same way. */
export interface Mixup {
  /** Its name and numbers. A checkpoint has them, and a run with another mixup does not continue from it. */
  readonly description: Readonly<Record<string, unknown>>
  /**
   * @param images floating-point [n, C, H, W]
   * @param labels int64 [n]
   * @param classes the number of classes
   * @param generator the source of random numbers
   * @returns images of the same shape and dtype; `targets`, of the same dtype, [n, classes]: the share of each class in each image
   */
  apply(
    images: Tensor,
    labels: Tensor,
    classes: number,
    generator: Generator,
  ): { images: Tensor; targets: Tensor }
}

/**
 * Mixup (Zhang et al. 2018): each image x becomes λx + (1 − λ)x′ with another image x′ of the batch, and so do the labels, as shares of the
 * classes. One λ ~ Beta(α, α) is drawn for a batch, as in the authors' code.
 *
 * @param alpha α. Default: 1, the authors' value for CIFAR
 * @returns the mixup, for the trainer's option `mixup`
 * @throws `ERR_INVALID_ARGUMENT` if α is not above 0
 * @example
 * const { targets } = mixup(1).apply(images, labels, 10, new torch.Generator(0))
 * console.log(targets.shape, Math.round(targets.sum().item())) // → [ 8, 10 ] 8
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
