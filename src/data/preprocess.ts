import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { Tensor } from '../torch/tensor.js'

/** How an image becomes the input of a network, in torchvision's order: resize, centre crop, scale, normalise. */
export interface Preprocess {
  /** 1 for greyscale, 3 for RGB. */
  channels: 1 | 3
  /** The shorter side after resizing, in pixels; null leaves the size. */
  resize: number | null
  interpolation: 'bilinear' | 'bicubic'
  /** The side of the square cut from the centre, in pixels; null leaves the size. */
  crop: number | null
  /** Of each channel, for values scaled to [0, 1]. */
  mean: readonly number[]
  std: readonly number[]
}

/**
 * Preprocesses images of one size.
 *
 * @param images uint8 [N, C, H, W]
 * @returns float32 [N, C, h, w]
 */
export function preprocess(images: Tensor, recipe: Preprocess): Tensor {
  return scope(() => {
    const cropped = centreCrop(resize(images, recipe), recipe.crop)
    const shape = [1, recipe.channels, 1, 1]
    const mean = torch.tensor(recipe.mean as number[], { dtype: 'float32' }).view(shape)
    const std = torch.tensor(recipe.std as number[], { dtype: 'float32' }).view(shape)
    return cropped.to('float32').div_(255).sub_(mean).div_(std)
  })
}

/** The shorter side becomes `resize`, the longer one int(resize · long / short), antialiased in uint8 as Pillow does. */
function resize(images: Tensor, { resize: target, interpolation }: Preprocess): Tensor {
  const [height, width] = images.shape.slice(2) as [number, number]
  const short = Math.min(height, width)
  if (target === null || short === target) return images
  const size = [height, width].map((side) => (side === short ? target : Math.trunc((target * side) / short)))
  return interpolation === 'bicubic'
    ? torch._upsample_bicubic2d_aa(images, size, false)
    : torch._upsample_bilinear2d_aa(images, size, false)
}

/** Images smaller than the crop are padded with black on both sides, as torchvision does. */
function centreCrop(images: Tensor, side: number | null): Tensor {
  if (side === null) return images
  let [height, width] = images.shape.slice(2) as [number, number]
  let cropped = images
  if (height < side || width < side) {
    const [x, y] = [Math.max(side - width, 0), Math.max(side - height, 0)]
    cropped = torch.constant_pad_nd(images, [x >> 1, (x + 1) >> 1, y >> 1, (y + 1) >> 1], 0)
    height = Math.max(height, side)
    width = Math.max(width, side)
  }
  return cropped
    .narrow(2, roundHalfToEven((height - side) / 2), side)
    .narrow(3, roundHalfToEven((width - side) / 2), side)
}

/** Python's round, which torchvision uses for the crop's corner. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
