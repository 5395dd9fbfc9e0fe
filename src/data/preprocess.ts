import { SosError } from '../base/index.js'
import { scope, type Tensor } from '../torch/index.js'
import { preprocessImages } from '../torch/internal.js'
import { checkedPreprocess } from './preprocess-schema.js'

/** How an image becomes the input of a network, in torchvision's order: resize, centre crop, scale, normalise. */
export interface Preprocess {
  /** 1 for greyscale, 3 for RGB. */
  channels: 1 | 3
  /**
   * The shorter side after resizing, in pixels; null leaves the size. The longer one becomes int(resize · long / short).
   * It is done in uint8 with antialiasing, as Pillow does.
   */
  resize: number | null
  interpolation: 'bilinear' | 'bicubic'
  /**
   * The side of the square cut from the centre, in pixels; null leaves the size. Smaller images are padded with black on
   * both sides.
   */
  crop: number | null
  /** Of each channel, for values scaled to [0, 1]. */
  mean: readonly number[]
  std: readonly number[]
}

/**
 * Preprocesses images of one size: torchvision's Resize, CenterCrop, ToTensor and Normalize.
 *
 * @param images uint8 [N, C, H, W] on the CPU
 * @returns float32 [N, C, h, w]
 * @throws `ERR_PREPROCESS` for a recipe that is none, `ERR_INVALID_ARGUMENT` for other tensors, `ERR_IMAGE` where resizing makes more than 178,956,970 pixels
 */
export function preprocess(images: Tensor, recipe: Preprocess): Tensor {
  const native = nativeRecipe(recipe)
  const { shape, dtype, device } = images
  const [, channels, height = 0, width = 0] = shape
  const sized = shape.length === 4 && channels === recipe.channels && height > 0 && width > 0
  if (sized && dtype === 'uint8' && device === 'cpu') return preprocessImages(images, native)
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected images as uint8 [N, ${recipe.channels}, H, W] on the CPU but received ${dtype} [${shape.join(', ')}] on ${device}`,
  )
}

/** As {@link preprocess} up to the scaling of values: uint8 [N, C, h, w]. */
export function preprocessToBytes(images: Tensor, recipe: Preprocess): Tensor {
  return scope(() => toBytes(preprocess(images, unscaled(recipe))))
}

/** Values of a recipe that {@link unscaled} made, from [0, 1] back to bytes. */
export function toBytes(images: Tensor): Tensor {
  return images.mul(255).round_().to('uint8')
}

/** The recipe, with values in [0, 1]. */
export function unscaled(recipe: Preprocess): Preprocess {
  const { mean, std } = recipe
  return { ...recipe, mean: mean.map(() => 0), std: std.map(() => 1) }
}

/** The recipe as the addon takes it. Throws `ERR_PREPROCESS` where it is none. */
export function nativeRecipe(recipe: Preprocess) {
  const { resize, interpolation, crop, mean, std } = checkedPreprocess(recipe)
  return { resize: resize ?? 0, bicubic: interpolation === 'bicubic', crop: crop ?? 0, mean, std }
}
