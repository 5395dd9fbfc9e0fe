import { between, whole } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'
import type { Draws } from './draws.js'

/** Changes the images of a batch at random, each in its own way, before their values are scaled. */
export interface Augmentation {
  /** What it is, as a checkpoint tells it: name and numbers. */
  readonly description: Readonly<Record<string, unknown>>
  /**
   * @param images uint8 [n, C, H, W], on the device; not to be written to
   * @param draws random numbers, one for each image
   * @returns uint8 [n, C, h, w]
   */
  apply(images: Tensor, draws: Draws): Tensor
}

/**
 * Mirrors images left to right, as torchvision's RandomHorizontalFlip.
 *
 * @param probability of each image. Default: 0.5, as in torchvision
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
 * Cuts a window of the image's own size from the image with a black border, as torchvision's RandomCrop(size, padding).
 *
 * @param padding pixels on each side. Default: 4, as He et al. 2016 for CIFAR
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
