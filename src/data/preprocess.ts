import { SosError } from '../base/index.js'
import { scope, type Tensor } from '../torch/index.js'
import { preprocessImages } from '../torch/internal.js'
import { checkedPreprocess } from './preprocess-schema.js'

/** How an image becomes the input of a network. The order is torchvision's: resize, centre crop, scale, normalise. */
export interface Preprocess {
  /** 1 for greyscale, 3 for RGB. */
  channels: 1 | 3
  /**
   * The length of the shorter side after resizing, in pixels; null leaves the size. The longer side becomes int(resize · long / short).
   * Resizing is done in uint8 with antialiasing, as in Pillow.
   */
  resize: number | null
  /** The interpolation of resizing. */
  interpolation: 'bilinear' | 'bicubic'
  /**
   * The side of the square that is cut from the centre, in pixels; null leaves the size. A smaller image is padded with black on both sides.
   */
  crop: number | null
  /** The mean of each channel, for values scaled to [0, 1]. */
  mean: readonly number[]
  /** The standard deviation of each channel, for values scaled to [0, 1]. */
  std: readonly number[]
}

/**
 * Preprocesses images of one size, as torchvision's Resize, CenterCrop, ToTensor and Normalize do.
 *
 * @param images uint8 [N, C, H, W] on the CPU
 * @param recipe how to preprocess them, for example `presets.resnet50`
 * @returns float32 [N, C, h, w]
 * @throws `ERR_PREPROCESS` for an invalid recipe, `ERR_INVALID_ARGUMENT` for other tensors, `ERR_IMAGE` if resizing would make more than
 *   178,956,970 pixels
 * @example
 * ```ts
 * import { preprocess } from 'optimum-shifting/data'
 *
 * const pixels = torch.zeros([1, 3, 375, 500], { dtype: 'uint8' })
 * console.log(preprocess(pixels, presets.resnet50!).shape) // → [ 1, 3, 224, 224 ]
 * ```
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

/** Like {@link preprocess}, without the scaling of values: uint8 [N, C, h, w]. */
export function preprocessToBytes(images: Tensor, recipe: Preprocess): Tensor {
  return scope(() => toBytes(preprocess(images, unscaled(recipe))))
}

/** Turns images that a recipe from {@link unscaled} made back into bytes. */
export function toBytes(images: Tensor): Tensor {
  return images.mul(255).round_().to('uint8')
}

/** The recipe without normalisation, so that its values are in [0, 1]. */
export function unscaled(recipe: Preprocess): Preprocess {
  const { mean, std } = recipe
  return { ...recipe, mean: mean.map(() => 0), std: std.map(() => 1) }
}

/** The recipe in the form of the addon. Throws `ERR_PREPROCESS` if it is invalid. */
export function nativeRecipe(recipe: Preprocess) {
  const { resize, interpolation, crop, mean, std } = checkedPreprocess(recipe)
  return { resize: resize ?? 0, bicubic: interpolation === 'bicubic', crop: crop ?? 0, mean, std }
}
