import { between, whole } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'
import type { Draws } from './draws.js'

/** Changes the images of a batch at random, each image in its own way, before their values are scaled. */
export interface Augmentation {
  /** Its name and numbers. A checkpoint has them, and a run with other augmentations does not continue from it. */
  readonly description: Readonly<Record<string, unknown>>
  /**
   * Changes the images of one batch.
   *
   * @param images uint8 [n, C, H, W], on the device. They must not be written to
   * @param draws random numbers, one for each image
   * @returns uint8 [n, C, h, w]
   */
  apply(images: Tensor, draws: Draws): Tensor
}

/**
 * Mirrors images left to right at random, as torchvision's RandomHorizontalFlip does.
 *
 * @param probability the probability for each image. Default: 0.5, as in torchvision
 * @returns the augmentation, for the trainer's option `augment`
 * @throws `ERR_INVALID_ARGUMENT` if the probability is not from 0 to 1
 * @example
 * const pixels = torch.tensor([1, 2, 3], { dtype: 'uint8' }).view([1, 1, 1, 3])
 * const mirrored = randomFlip(1).apply(pixels, new Draws(0, 'cpu', 1))
 * console.log(mirrored.flatten().toArray()) // → [ 3, 2, 1 ]
 */
export function randomFlip(probability = 0.5): Augmentation {
  between(0, 1)('probability', probability)
  return {
    description: { name: 'randomFlip', probability },
    apply(images, draws) {
      const flipped = draws.uniform().lt(probability).view([-1, 1, 1, 1])
      return torch.where(flipped, images.flip([3]), images)
    },
  }
}

/**
 * Adds a black border to each image and cuts a window of the image's own size at a random place, as torchvision's RandomCrop(size, padding)
 * does.
 *
 * @param padding the width of the border in pixels. Default: 4, the value of He et al. (2016) for CIFAR
 * @returns the augmentation, for the trainer's option `augment`
 * @throws `ERR_INVALID_ARGUMENT` if the padding is not a whole number from 1 to 65535
 * @example
 * const trainer = new Trainer(model, {
 *   data: train,
 *   epochs: 1,
 *   batchSize: 64,
 *   optimizer: sgd({ learningRate: 0.01 }),
 *   augment: [randomCrop(2), randomFlip()],
 * })
 * await trainer.run()
 */
export function randomCrop(padding = 4): Augmentation {
  whole(1, 65_535)('padding, in pixels,', padding)
  return {
    description: { name: 'randomCrop', padding },
    apply(images, draws) {
      const [count, , height, width] = images.shape as [number, number, number, number]
      const padded = images.constant_pad_nd([padding, padding, padding, padding])
      const windows = padded.unfold(2, height, 1).unfold(3, width, 1) // [n, C, top, left, H, W], not copied
      const image = torch.arange(count, { dtype: 'int64', device: images.device })
      const [top, left] = [draws.integers(2 * padding + 1), draws.integers(2 * padding + 1)]
      return torch.index(windows, [image, null, top, left])
    },
  }
}
